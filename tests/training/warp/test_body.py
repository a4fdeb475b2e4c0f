# SPDX-License-Identifier: Apache-2.0
"""A body that is placed by six points gives them back, wherever it leans."""

import numpy as np
import pytest

from tests.training.warp.conftest import DEPTH_MM, HEIGHT_MM, PlainSpine
from vcf_training.warp.body import Body
from vcf_training.warp.heights import SixPoints


def leaning(tilt_deg: float, slope: float = 0.0) -> tuple[Body, SixPoints]:
    """Six points of a body that leans forward; the canal runs sideways by ``slope``."""
    tilt = np.radians(tilt_deg)
    up, back = np.array((-np.sin(tilt), np.cos(tilt))), np.array((np.cos(tilt), np.sin(tilt)))
    centre = np.array((80.0, 100.0))
    along = 30.0 * np.array((-0.4, 0.0, 0.4))
    upper = centre + along[:, None] * back + np.array((11.0, 10.0, 12.0))[:, None] * up
    lower = centre + along[:, None] * back - np.array((12.0, 11.0, 12.0))[:, None] * up
    canal = np.column_stack((60 + slope * (np.arange(200) - 100), np.full(200, 110.0)))
    points = SixPoints(upper, lower, 30.0, tilt)
    return Body.from_six_points("L1", points, canal, 1.0), points


@pytest.mark.parametrize("tilt_deg", [0.0, 15.0, -25.0])
def test_landmarks_are_the_points_it_was_made_of(tilt_deg: float) -> None:
    body, points = leaning(tilt_deg)
    upper, lower = body.landmarks_mm
    np.testing.assert_allclose(upper[:, 1:], points.upper_mm, atol=0.3)
    np.testing.assert_allclose(lower[:, 1:], points.lower_mm, atol=0.3)
    np.testing.assert_allclose(body.heights_mm, [23.0, 21.0, 24.0], atol=0.3)


@pytest.mark.parametrize("slope", [0.0, 0.2])
def test_axes_are_right_angled_of_unit_length_and_right_handed(slope: float) -> None:
    body, _ = leaning(10.0, slope)
    np.testing.assert_allclose(body.axes.T @ body.axes, np.eye(3), atol=1e-12)
    assert np.linalg.det(body.axes) == pytest.approx(1)
    assert body.axes[2, 2] > 0.9 and body.axes[1, 1] > 0.9


def test_local_and_scan_coordinates_are_inverse() -> None:
    body, _ = leaning(10.0, 0.2)
    points = np.random.default_rng(1).normal(size=(50, 3)) * 30
    np.testing.assert_allclose(body.to_scan(body.to_local(points)), points, atol=1e-9)
    np.testing.assert_allclose(body.to_local(body.origin), 0, atol=1e-12)


def test_endplates_pass_through_their_landmarks() -> None:
    body, _ = leaning(0.0)
    v = 0.4 * body.depth_mm * np.array((-1.0, 0.0, 1.0))
    upper, lower = body.endplates(np.zeros(3), v)
    np.testing.assert_allclose(upper, body.upper, atol=1e-9)
    np.testing.assert_allclose(lower, body.lower, atol=1e-9)


def test_the_footprint(plain_spine: PlainSpine) -> None:
    body = plain_spine.body("T11")
    assert body.depth_mm == DEPTH_MM and body.heights_mm == pytest.approx([HEIGHT_MM] * 3)
    half = body.width_mm / 2
    assert body.outside_mm(np.array([0.0, half - 0.1]), np.zeros(2)).tolist() == [0, 0]
    assert body.outside_mm(np.array([half + 5.0]), np.zeros(1)) == pytest.approx(5.0)
    assert body.outside_mm(np.zeros(1), np.array([DEPTH_MM / 2 + 3.0])) == pytest.approx(3.0)
    corner = body.outside_mm(np.array([half]), np.array([DEPTH_MM / 2]))
    assert corner == pytest.approx((np.sqrt(2) - 1) * 0.13 * DEPTH_MM), "its corners are round"
