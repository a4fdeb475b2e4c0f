# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import numpy as np
import pytest

from vcf_training.evaluation import baseline
from vcf_training.phantom import Fracture, nominal, render, with_acquisition
from vcf_training.phantom.spec import PhantomSpec

SOUND = {"T11": (22.0, 21.0, 23.0), "T12": (23.0, 22.0, 24.0), "L1": (24.0, 23.0, 25.0)}


def test_a_wedge_is_seen_within_its_vertebra() -> None:
    wedged = SOUND | {"T12": (14.4, 20.0, 24.0)}
    assert baseline.height_loss(wedged) == pytest.approx(1 - 14.4 / 24)


def test_a_crush_is_seen_against_its_neighbours_alone() -> None:
    """All three heights fall alike: no ratio within the vertebra changes."""
    crushed = SOUND | {"T12": (13.8, 13.2, 14.4)}
    assert baseline.height_loss(crushed) == pytest.approx(1 - 0.6)
    assert baseline.height_loss({"T12": crushed["T12"]}) == pytest.approx(1 - 13.2 / 14.4)


def test_vertebrae_that_are_no_neighbours_are_not_compared() -> None:
    apart = {"T4": (12.0, 12.0, 12.0), "L4": (24.0, 24.0, 24.0)}
    assert baseline.height_loss(apart) == 0


def test_sound_heights_lose_little_and_none_is_none() -> None:
    loss = baseline.height_loss(SOUND)
    assert loss is not None
    assert loss < 0.13
    assert baseline.height_loss({}) is None


def fractured(spec: PhantomSpec, level: str, fracture: Fracture) -> PhantomSpec:
    return replace(
        spec, vertebrae=tuple(replace(v, fracture=fracture) if v.level == level else v for v in spec.vertebrae)
    )


@pytest.mark.parametrize(("slice_mm", "tolerance_mm"), [(1.0, 1.5), (3.0, 2.5)])
def test_measured_heights_are_the_phantoms(slice_mm: float, tolerance_mm: float) -> None:
    spec = fractured(nominal(levels=("T11", "L3")), "L1", Fracture("wedge", 0.35))
    phantom = render(with_acquisition(spec, noise_hu=0.0), spacing_mm=(slice_mm, 1.0, 1.0), region="spine")
    exact = baseline.exact_heights(phantom.vertebrae)
    measured = baseline.measured_heights(phantom)
    for method in (baseline.LABELS, baseline.COVERAGE):
        assert {"T12", "L1", "L2"} <= set(measured[method])
        for level, heights in measured[method].items():
            if level in exact:
                assert np.abs(np.subtract(heights, exact[level])).max() < tolerance_mm, (method, level)
        loss = baseline.height_loss(measured[method])
        assert loss == pytest.approx(0.37, abs=0.08)  # 35 % of a body that is naturally wedged a little


def test_a_body_cut_by_the_end_of_the_scan_is_not_measured() -> None:
    phantom = render(nominal(levels=("T12", "L2")), spacing_mm=(2.0, 1.0, 1.0), region="spine")
    top = len(phantom.volume.hu) * 2.0
    whole = {v.level for v in phantom.vertebrae}
    cut = phantom.volume
    rows = slice(0, int((next(v.centre_mm[2] for v in phantom.vertebrae if v.level == "T12")) / 2.0))
    shorter = replace(
        phantom,
        volume=replace(cut, hu=cut.hu[rows]),
        centre_line_mm=phantom.centre_line_mm[rows],
    )
    assert top > 0
    assert "T12" in whole
    assert "T12" not in baseline.measured_heights(shorter)[baseline.LABELS]
    assert "L1" in baseline.measured_heights(shorter)[baseline.LABELS]
