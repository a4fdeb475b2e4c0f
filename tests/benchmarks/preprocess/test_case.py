# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from vcf_benchmarks.preprocess.case import GOAL_MS, Shape, case, target


def test_a_case_is_always_the_same_and_has_its_shape() -> None:
    small = Shape(slices=20, pixels=32, spacing_z_mm=2.0, pixel_mm=1.5)
    hu, spacing, line = case(small)
    assert hu.shape == (20, 32, 32) and hu.dtype == np.int16 and spacing == (2.0, 1.5, 1.5)
    np.testing.assert_array_equal(hu, case(small)[0])
    assert len(line.points_mm) == 20


def test_the_line_stays_inside_the_usual_volume() -> None:
    shape = Shape()
    _, _, line = case(Shape(slices=shape.slices, pixels=8, pixel_mm=shape.pixel_mm * shape.pixels / 8))
    points = line.points_mm
    side = shape.pixels * shape.pixel_mm
    assert (points[:, :2] > 60).all() and (points[:, :2] < side - 60).all()
    assert points[-1, 2] == (shape.slices - 1) * shape.spacing_z_mm


@pytest.mark.parametrize(("ms", "met"), [(49.0, True), (51.0, False)])
def test_the_goal_is_judged_by_the_last_windows(ms: float, met: bool) -> None:
    found = target("one core, ms", [200.0] * 9 + [ms] * 9, 3)
    assert found.value == ms and found.goal == GOAL_MS and found.met is met
