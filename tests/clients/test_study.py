# SPDX-License-Identifier: Apache-2.0
from dataclasses import FrozenInstanceError

import pytest

from vcf_client import Study
from vcf_contract.errors import Code


def test_a_study_made_by_hand_needs_a_volume_and_a_name_alone(study: Study) -> None:
    made = Study(study.volume, "mine")
    assert (made.flags, made.selection) == ((), ())


def test_a_study_cannot_be_changed_under_a_client(study: Study) -> None:
    with pytest.raises(FrozenInstanceError):
        study.series_id = "other"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        study.flags.append(Code.METAL)  # type: ignore[attr-defined]
