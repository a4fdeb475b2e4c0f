# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from vcf_training.evaluation.froc import Marked, at_threshold, froc, mark, sensitivity_interval
from vcf_training.phantom import Vertebra


def fracture(z: float, grade: int = 2, height: float = 20.0) -> Vertebra:
    return Vertebra("L1", (0.0, 0.0, z), (height,) * 3, z - height / 2, z + height / 2, grade, "wedge")


BOXES = np.array([[-24, -40, z, 24, 24, z + 48] for z in (96.0, 48.0, 0.0)])
"""Three patches from head to feet, end to end."""


def test_a_centre_in_two_boxes_takes_the_better_score_and_half_a_body_is_no_false_positive() -> None:
    over = BOXES.copy()
    over[1, 5] = 100.0  # the second box reaches 4 mm into the first
    seen = mark(np.array([0.2, 0.9, 0.4]), over, [fracture(98.0)])
    assert seen.found.tolist() == [0.9]
    assert seen.false.tolist() == [0.4]
    edge = mark(np.array([0.8, 0.3, 0.1]), BOXES, [fracture(97.0, height=30)])
    assert edge.found.tolist() == [0.8]
    assert edge.false.tolist() == [0.3, 0.1]  # 14 of 30 mm is less than half
    half = mark(np.array([0.8, 0.3, 0.1]), BOXES, [fracture(96.0, height=30)])
    assert half.false.tolist() == [0.1]


def test_a_fracture_beside_or_beyond_every_box_is_not_found() -> None:
    aside = Vertebra("L1", (40.0, 0.0, 20.0), (20.0,) * 3, 10, 30, 2, "wedge")
    seen = mark(np.array([1.0, 1.0, 1.0]), BOXES, [aside, fracture(200.0)])
    assert np.isneginf(seen.found).all()
    assert froc([seen]).at(8) == 0


def test_curve_by_hand() -> None:
    """Two scans, three fractures; thresholds 0.9, 0.8, 0.6, 0.5 add them one by one."""
    scans = [Marked(np.array([0.9, 0.5]), np.array([0.8])), Marked(np.array([0.6]), np.array([0.6, 0.1]))]
    curve = froc(scans)
    assert curve.at(0.0) == pytest.approx(1 / 3)
    assert curve.at(0.5) == pytest.approx(1 / 3)  # 0.8 is a false positive and no find
    assert curve.at(1.0) == 1.0
    assert (np.diff(curve.sensitivity) >= 0).all()
    assert (np.diff(curve.false_per_scan) >= 0).all()
    assert at_threshold(scans, 0.6) == (2, 3, 2)


def test_marking_everything_costs_every_box() -> None:
    """The whole spine at threshold zero is no cheap find: each box without a fracture counts."""
    seen = mark(np.full(3, 0.5), BOXES, [fracture(24.0)])
    assert froc([seen]).false_per_scan[-1] == 2


def test_interval_holds_the_value_and_is_seeded() -> None:
    rng = np.random.default_rng(0)
    scans = [Marked(rng.normal(0.6, 0.2, 1), rng.normal(0.4, 0.2, 5)) for _ in range(40)]
    ends = sensitivity_interval(scans, range(40), 0.5, samples=200)
    assert ends[0] <= froc(scans).at(0.5) <= ends[1]
    assert ends == sensitivity_interval(scans, range(40), 0.5, samples=200)


def test_no_fracture_is_no_curve() -> None:
    with pytest.raises(ValueError, match="no fracture"):
        froc([Marked(np.empty(0), np.array([0.3]))])
