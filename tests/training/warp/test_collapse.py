# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from tests.training.warp.conftest import CANAL_Y_MM, DEPTH_MM, FRONT_MM, LEVELS, MIDDLE_X_MM, PlainSpine
from vcf_training.phantom import Fracture
from vcf_training.warp.collapse import Collapse, Mild
from vcf_training.warp.field import Field, Posture, Wobble

FRACTURES = [
    Fracture("wedge", 0.22, upper_share=1.0, angulation=0.35),
    Fracture("wedge", 0.45, upper_share=0.7, power=1.4, angulation=0.6, bulge_mm=2.0),
    Fracture("wedge", 0.6, upper_share=0.6, power=0.8, angulation=0.7),
    Fracture("biconcave", 0.3, upper_share=0.5, bulge_mm=0.0),
    Fracture("biconcave", 0.6, upper_share=0.35, bulge_mm=0.0),
    Fracture("crush", 0.3, upper_share=0.8),
    Fracture("crush", 0.6, upper_share=1.0, bulge_mm=2.5),
]


def collapse_of(spine: PlainSpine, how: Fracture | Mild, level: str = "T11") -> Collapse:
    return Collapse(spine.body(level), how, [spine.body(other) for other in LEVELS if other != level])


def losses(collapse: Collapse) -> np.ndarray:
    """Share of the height lost at the landmarks."""
    before = collapse.body.landmarks_mm
    after = collapse.forward(before.reshape(-1, 3)).reshape(before.shape)
    was, now = (np.linalg.norm(p[0] - p[1], axis=1) for p in (before, after))
    return np.asarray(1 - now / was)


def box(step: float = 4.0) -> np.ndarray:
    axes = [np.arange(a, b, step) for a, b in ((20, 100), (10, 150), (0, 190))]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)


@pytest.mark.parametrize("how", FRACTURES, ids=lambda h: f"{h.shape}-{h.loss}")
def test_height_is_lost_where_the_shape_says(plain_spine: PlainSpine, how: Fracture) -> None:
    anterior, middle, posterior = losses(collapse_of(plain_spine, how))
    if how.shape == "wedge":
        assert anterior == pytest.approx(how.loss, abs=0.03)
        assert posterior < 0.3 * how.loss
        assert posterior < middle < anterior
    elif how.shape == "biconcave":
        assert middle == pytest.approx(how.loss, abs=0.03)
        assert max(anterior, posterior) < 0.45 * how.loss
    else:
        np.testing.assert_allclose((anterior, middle), how.loss, atol=0.04)
        assert posterior == pytest.approx(0.9 * how.loss, abs=0.04)


@pytest.mark.parametrize("how", FRACTURES, ids=lambda h: f"{h.shape}-{h.loss}")
def test_space_is_never_folded_nor_torn(plain_spine: PlainSpine, how: Fracture) -> None:
    collapse, step = collapse_of(plain_spine, how), 0.05
    points = box()
    jacobian = np.stack(
        [
            (collapse.backward(points + step * d)[0] - collapse.backward(points - step * d)[0]) / (2 * step)
            for d in np.eye(3)
        ],
        axis=-1,
    )
    assert np.linalg.det(jacobian).min() > 0
    # Off the spine nothing is pressed by more than 1.7, even by the worst wedge: organs and ribs follow.
    away = (np.abs(points[..., 0] - MIDDLE_X_MM) > 32) | (points[..., 1] < FRONT_MM - 25)
    stretch = np.linalg.svd(jacobian[away], compute_uv=False)
    assert stretch.max() < 1.7 and stretch.min() > 0.6


@pytest.mark.parametrize("how", FRACTURES, ids=lambda h: f"{h.shape}-{h.loss}")
def test_neighbours_keep_their_shape(plain_spine: PlainSpine, how: Fracture) -> None:
    collapse = collapse_of(plain_spine, how)
    below = plain_spine.body("L1").landmarks_mm.reshape(-1, 3)
    np.testing.assert_allclose(collapse.forward(below), below, atol=0.05)
    for level in ("T10", "T9"):
        before = plain_spine.body(level).landmarks_mm
        after = collapse.forward(before.reshape(-1, 3)).reshape(before.shape)
        was, now = (np.linalg.norm(p[0] - p[1], axis=1) for p in (before, after))
        np.testing.assert_allclose(now, was, rtol=0.06)


def test_the_spine_above_comes_down_and_leans_forward(plain_spine: PlainSpine) -> None:
    above = plain_spine.body("T10").landmarks_mm
    crush = collapse_of(plain_spine, Fracture("crush", 0.5, angulation=0.0))
    moved = crush.forward(above.reshape(-1, 3)).reshape(above.shape) - above
    np.testing.assert_allclose(moved[..., 2], -crush.drop_mm, atol=0.1)
    assert crush.drop_mm == pytest.approx(0.5 * 24 * 0.9, rel=0.05)

    wedge = collapse_of(plain_spine, Fracture("wedge", 0.5, angulation=0.5))
    moved = wedge.forward(above.reshape(-1, 3)).reshape(above.shape) - above
    assert (moved[:, 0, 2] < moved[:, 1, 2]).all() and (moved[:, 1, 2] < moved[:, 2, 2]).all()
    assert (moved[0, :, 1] < moved[1, :, 1]).all() and (moved[..., 1] < 0).all()


def test_canal_stays_whole(plain_spine: PlainSpine) -> None:
    z = np.arange(0.0, 180.0, 1.0)
    line = np.column_stack((np.full_like(z, MIDDLE_X_MM), np.full_like(z, CANAL_Y_MM), z))
    for how in FRACTURES:
        moved = collapse_of(plain_spine, how).forward(line)
        assert (np.diff(moved[:, 2]) > 0.2).all()
        assert np.abs(np.diff(moved[:, 1], 2)).max() < 0.1  # no kink, let alone a step


def test_backward_undoes_forward(plain_spine: PlainSpine) -> None:
    points = box(9.0).reshape(-1, 3)
    for how in FRACTURES:
        collapse = collapse_of(plain_spine, how)
        np.testing.assert_allclose(collapse.backward(collapse.forward(points))[0], points, atol=0.02)


def test_bone_is_compressed_by_what_is_lost(plain_spine: PlainSpine) -> None:
    crush = collapse_of(plain_spine, Fracture("crush", 0.5, upper_share=0.5, bulge_mm=0.0, angulation=0.0))
    bottom = plain_spine.bottom_mm("T11")
    column = np.column_stack(
        (np.full(40, MIDDLE_X_MM), np.full(40, FRONT_MM + DEPTH_MM / 2), bottom + np.arange(40) / 2)
    )
    _, factor = crush.backward(column)
    inside = (column[:, 2] > bottom + 2) & (column[:, 2] < bottom + 10)
    # Half the height is gone but the endplates keep theirs, so the bone between them is pressed by more than two.
    assert (factor[inside] > 1.9).all() and (factor[inside] < 3).all()
    assert factor[column[:, 2] > bottom + 14].max() == 1


def test_two_collapses_do_not_disturb_each_other(plain_spine: PlainSpine) -> None:
    hows = {"T12": Fracture("wedge", 0.4), "T11": Fracture("biconcave", 0.35), "T9": Fracture("crush", 0.3)}
    collapses = [collapse_of(plain_spine, how, level) for level, how in hows.items()]
    field = Field(np.array((60.0, 100.0, 95.0)), collapses, Posture(), Wobble(0, 0.0))
    for level, how in hows.items():
        before = plain_spine.body(level).landmarks_mm
        after = field.collapsed(before.reshape(-1, 3)).reshape(before.shape)
        was, now = (np.linalg.norm(p[0] - p[1], axis=1) for p in (before, after))
        assert (1 - now / was).max() == pytest.approx(how.loss, abs=0.05)


def test_mild_losses_are_no_fractures() -> None:
    with pytest.raises(ValueError, match=r"0\.2"):
        Mild("wedge", 0.2)
    with pytest.raises(ValueError, match="twist"):
        Mild("twist", 0.1)
