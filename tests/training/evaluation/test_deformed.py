# SPDX-License-Identifier: Apache-2.0
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.training.masks.conftest import plain_mask
from tests.training.warp.conftest import PlainSpine, plain_spine
from vcf_contract.errors import SetupError
from vcf_training.evaluation import deformed

__all__ = ["plain_spine"]


@pytest.fixture
def at_hand(monkeypatch: pytest.MonkeyPatch, plain_spine: PlainSpine) -> Iterator[dict[str, list[Any]]]:
    """What the loaders find, instead of real data."""
    patient = plain_spine.patient(np.where(plain_spine.labels > 0, 250, 40).astype(np.int16))
    found: dict[str, list[Any]] = {"patients": [patient], "masks": [plain_mask({"T11": 12.0}), plain_mask()]}
    monkeypatch.setattr(deformed, "load_patients", lambda use: found["patients"] if use == "evaluate" else [])
    monkeypatch.setattr(deformed, "load_graded_spines", list)
    monkeypatch.setattr(deformed, "load_mask_spines", lambda use: found["masks"])
    for loader in (deformed.test_patients, deformed.test_masks):
        loader.cache_clear()
    yield found
    for loader in (deformed.test_patients, deformed.test_masks):
        loader.cache_clear()


def test_twins_of_a_deformation_share_a_group(at_hand: dict[str, list[Any]]) -> None:
    sound, ill = deformed.warped_study(0), deformed.warped_study(1)
    assert sound is not None
    assert ill is not None
    assert (sound.name, ill.name, sound.group) == ("warped-0a", "warped-0b", ill.group)
    assert (sound.fractured, ill.fractured) == (False, True)
    assert sound.synthetic


@pytest.mark.slow
def test_a_mask_as_it_is_and_stretched_back(at_hand: dict[str, list[Any]]) -> None:
    """Masks without fractures are not among them: nothing in them could be stretched back."""
    assert deformed.rendered_count() == 2 * deformed.LOOKS
    ill, back = deformed.rendered_study(0), deformed.rendered_study(1)
    assert ill is not None
    assert back is not None
    assert (ill.grade, back.grade) == (3, 0)
    assert [v.level for v in ill.vertebrae if v.grade] == ["T11"]
    assert (ill.name, back.name) == ("plain-0", "plain-0-stretched-back")


def test_nothing_at_hand_is_said(at_hand: dict[str, list[Any]]) -> None:
    at_hand["patients"].clear()
    at_hand["masks"].clear()
    with pytest.raises(SetupError, match="test patient"):
        deformed.warped_study(0)
    with pytest.raises(SetupError, match="VCF_SHARED_DATA"):
        deformed.rendered_count()
