# SPDX-License-Identifier: Apache-2.0
"""Endplates and six-point heights against the lengths and losses that were asked for."""

from dataclasses import replace

import numpy as np
import pytest

from vcf_training.phantom import Fracture, nominal
from vcf_training.phantom.spec import Schmorl, VertebraSpec
from vcf_training.phantom.vertebra import LANDMARK, canal_v, endplates, heights_mm, landmarks

L1 = nominal().vertebra("L1")


def broken(shape: str, loss: float = 0.3, **more: float) -> VertebraSpec:
    return replace(L1, fracture=Fracture(shape=shape, loss=loss, **more))  # type: ignore[arg-type]


def test_a_sound_vertebra_has_its_heights_and_a_dish_in_the_middle() -> None:
    anterior, middle, posterior = heights_mm(L1)
    assert (anterior, posterior) == pytest.approx((L1.anterior_mm, L1.posterior_mm), abs=1e-4)
    assert middle == pytest.approx((anterior + posterior) / 2 - 2 * L1.dish_mm, abs=1e-4)


def test_a_wedge_loses_its_share_in_front_and_hardly_anything_at_the_back() -> None:
    anterior, middle, posterior = heights_mm(broken("wedge"))
    sound = heights_mm(L1)
    assert anterior == pytest.approx(0.7 * sound[0], rel=0.01)
    assert 0.95 * sound[2] < posterior < sound[2]
    assert sound[1] > middle > 0.7 * sound[1]


def test_a_biconcave_vertebra_loses_its_middle() -> None:
    anterior, middle, posterior = heights_mm(broken("biconcave"))
    sound = heights_mm(L1)
    assert middle == pytest.approx(0.7 * sound[1], rel=0.01)
    assert anterior > 0.9 * sound[0] and posterior > 0.9 * sound[2]


def test_a_crushed_vertebra_loses_everywhere() -> None:
    lost = [1 - now / before for now, before in zip(heights_mm(broken("crush")), heights_mm(L1), strict=True)]
    assert min(lost) > 0.25 and max(lost) < 0.31


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_the_endplates_share_the_loss(share: float) -> None:
    _, upper, lower = landmarks(broken("wedge", upper_share=share))
    _, sound_upper, sound_lower = landmarks(L1)
    lost = 0.3 * L1.anterior_mm
    assert sound_upper[0] - upper[0] == pytest.approx(share * lost, abs=0.05)
    assert lower[0] - sound_lower[0] == pytest.approx((1 - share) * lost, abs=0.05)


@pytest.mark.parametrize("side", [1, -1])
def test_a_schmorl_node_is_a_pit_that_morphometry_does_not_see(side: int) -> None:
    pitted = replace(L1, schmorl=(Schmorl(side, 0.0, 0.0, 4.0, 5.0),))
    here = np.zeros(1, np.float32)
    upper, lower = endplates(pitted, here, here)
    sound_upper, sound_lower = endplates(L1, here, here)
    assert float(sound_upper[0] - upper[0]) == pytest.approx(5.0 * (side > 0), abs=1e-3)
    assert float(lower[0] - sound_lower[0]) == pytest.approx(5.0 * (side < 0), abs=1e-3)
    assert heights_mm(pitted) == heights_mm(L1)


def test_landmarks_lie_on_the_rim_and_the_canal_behind_the_body() -> None:
    at, _, _ = landmarks(L1)
    assert at.tolist() == pytest.approx([-LANDMARK * L1.depth_mm, 0, LANDMARK * L1.depth_mm])
    assert canal_v(L1) - L1.canal_depth_mm / 2 > at[2]
