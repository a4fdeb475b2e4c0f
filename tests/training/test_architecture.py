# SPDX-License-Identifier: Apache-2.0
from dataclasses import asdict, replace

import pytest

pytest.importorskip("tensorflow")
from tests.training.resumable import MEMBER
from vcf_contract.spec import PATCH
from vcf_training.architecture import SERVED, VARIANTS, Architecture, of_settings
from vcf_training.checkpoint import as_json


def test_settings_give_back_architecture_and_patches() -> None:
    preset = replace(MEMBER, architecture=VARIANTS["bilstm"], patch=replace(PATCH, grid=(32, 24, 24)))
    assert of_settings(as_json(asdict(preset))) == (preset.architecture, preset.patch)
    assert of_settings({}) == (SERVED, PATCH)
    with pytest.raises(ValueError, match="sequence 'gru': one of lstm, bilstm, max"):
        Architecture(sequence="gru")  # type: ignore[arg-type]
