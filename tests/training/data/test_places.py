# SPDX-License-Identifier: Apache-2.0
"""Places of vertebrae and canal from points and masks whose truth is known."""

import numpy as np
import pytest

from vcf_training.data.annotated import DataCode, DataError, Grade
from vcf_training.data.places import (
    canal_of_mask,
    check_inside,
    check_points,
    usual_height_mm,
    vertebrae_at,
)

SPACING = (2.0, 1.0, 0.5)
SHAPE = (60, 80, 100)
L1, T12 = 20, 19


def labels() -> np.ndarray:
    """Two blocks: T12 above L1."""
    made = np.zeros(SHAPE, np.uint8)
    made[10:22, 20:50, 30:70] = L1
    made[26:38, 20:50, 30:70] = T12
    return made


def middle(z: float) -> np.ndarray:
    return np.array([24.5, 34.5, z])


def code_of(points: dict[str, np.ndarray]) -> DataCode | None:
    try:
        check_points(points, labels(), SPACING, "study 3")
    except DataError as error:
        assert error.sentence.startswith("study 3: ")
        return error.code
    return None


@pytest.mark.parametrize(
    ("points", "code"),
    [
        ({"L1": middle(31), "T12": middle(63)}, None),
        ({"L1": middle(53)}, None),  # 11 mm above its block
        ({"L1": middle(60)}, DataCode.POSITION_MISMATCH),
        ({"L1": middle(63), "T12": middle(31)}, DataCode.POSITION_MISMATCH),  # each other's place
        ({"L2": middle(31)}, DataCode.BAD_MASK),
        ({"T11": middle(31)}, DataCode.BAD_MASK),
    ],
)
def test_a_point_lies_by_its_own_label(points: dict[str, np.ndarray], code: DataCode | None) -> None:
    assert code_of(points) == code


@pytest.mark.parametrize(
    ("point", "inside"),
    [((0, 0, 0), True), ((49.5, 79, 118), True), ((-11, 0, 0), True), ((-13, 0, 0), False), ((0, 0, np.nan), False)],
)
def test_a_point_lies_in_the_volume_but_for_a_little(point: tuple[float, ...], inside: bool) -> None:
    def check() -> None:
        check_inside({"L1": np.array(point, float)}, SHAPE, SPACING, "study 3")

    if inside:
        check()
    else:
        with pytest.raises(DataError, match="POSITION_MISMATCH: study 3: the position of L1"):
            check()


def test_points_alone_give_vertebrae_of_the_usual_height_from_head_to_feet() -> None:
    grades = {"L1": Grade(2, "wedge")}
    found = vertebrae_at(
        {"L1": middle(31), "C7": middle(110), "T12": middle(63)}, grades, labels=None, spacing_mm=SPACING, canal_mm=None
    )
    assert [v.level for v in found] == ["T12", "L1"], "cervical ones carry no grade"
    assert found[1].verdict.grade == 2 and found[0].verdict.grade is None
    low, high = found[1].z_mm
    assert high - low == pytest.approx(usual_height_mm("L1")) and (low + high) / 2 == pytest.approx(31)
    assert found[1].heights_mm is None


@pytest.mark.parametrize(("level", "like"), [("T13", "T12"), ("L6", "L5")])
def test_levels_beyond_the_usual_have_the_height_of_their_neighbour(level: str, like: str) -> None:
    assert usual_height_mm(level) == usual_height_mm(like)
    assert 24 < usual_height_mm("L1") < 28


def test_centre_and_size_of_a_mask_of_the_canal() -> None:
    mask = np.zeros(SHAPE, bool)
    mask[5:9, 50:66, 40:80] = True
    centre, size = canal_of_mask(mask, SPACING)
    np.testing.assert_allclose(centre[5:9], [[59.5 * 0.5, 57.5]] * 4)
    np.testing.assert_allclose(size[5:9], [[20.0, 16.0]] * 4)
    assert np.isnan(size[:5]).all() and np.isnan(size[9:]).all()
