# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import pytest

from tests.training.phantom.measure import heights
from tests.training.phantom.patients import upright
from vcf_training.phantom import (
    HELD_OUT_RANGES,
    TRAINING_RANGES,
    Fracture,
    Ranges,
    Vertebra,
    fractured_in,
    genant_grade,
    nominal,
    render,
    sample,
)
from vcf_training.phantom.fracture import GENANT_BANDS, SHAPES, parse_fractures
from vcf_training.phantom.vertebra import heights_mm

MIDDLE = {"wedge": 0, "biconcave": 1, "crush": 0}
"""Landmark that loses most: anterior, middle, any."""


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("grade", "loss"), [(1, 0.228), (2, 0.33), (3, 0.50)])
def test_grade_measured_from_voxels_is_the_grade_drawn(grade: int, loss: float, shape: str) -> None:
    """Height loss against the same vertebra unfractured, both measured on the rendered volume."""
    broken = upright(nominal(levels=("T12", "L2"), fractures={"L1": Fracture(shape, loss)}))
    lost = []
    for spec in (broken.without_fractures(), broken):
        phantom = render(spec, spacing_mm=(0.5, 0.5, 0.5), region="spine")
        l1 = next(v for v in phantom.vertebrae if v.level == "L1")
        lost.append(heights(phantom, l1, spec.vertebra("L1").depth_mm))
    losses = [1 - now / before for before, now in zip(*lost, strict=True)]
    assert (l1.grade, l1.shape) == (grade, shape)
    assert genant_grade(max(losses)) == grade
    assert max(losses) == pytest.approx(loss, abs=0.03)
    if shape != "crush":
        assert losses.index(max(losses)) == MIDDLE[shape]
    else:
        assert min(losses) > 0.8 * loss
    if shape == "biconcave":
        assert max(losses[0], losses[2]) < 0.3 * loss


def test_spine_above_a_crush_comes_down_by_the_lost_height() -> None:
    broken = upright(nominal(levels=("T9", "L4"), fractures={"L1": Fracture("crush", 0.5)}))
    before, after = (
        {v.level: v for v in render(s, spacing_mm=(2, 1, 1), region="spine").vertebrae}
        for s in (broken.without_fractures(), broken)
    )
    lost = sum(before["L1"].heights_mm) / 3 - sum(after["L1"].heights_mm) / 3
    moved = (before["T10"].centre_mm[2] - before["L3"].centre_mm[2]) - (
        after["T10"].centre_mm[2] - after["L3"].centre_mm[2]
    )
    assert lost > 8
    assert moved == pytest.approx(lost, abs=2.0)


@pytest.mark.parametrize("ranges", [TRAINING_RANGES, HELD_OUT_RANGES], ids=["training", "held_out"])
@pytest.mark.parametrize("seed", range(40))
def test_sampled_losses_stay_inside_the_band_of_their_grade(seed: int, ranges: Ranges) -> None:
    spec = sample(seed, ranges=ranges, fracture_probability=1.0)
    healthy = spec.without_fractures()
    fractures = [v for v in spec.vertebrae if v.fracture]
    assert fractures
    for v in fractures:
        assert v.fracture is not None
        pairs = zip(heights_mm(healthy.vertebra(v.level)), heights_mm(v), strict=True)
        assert genant_grade(max(1 - now / before for before, now in pairs)) == v.fracture.grade


@pytest.mark.parametrize("ranges", [TRAINING_RANGES, HELD_OUT_RANGES], ids=["training", "held_out"])
@pytest.mark.parametrize("seed", range(40))
def test_normal_vertebrae_keep_under_a_fifth_of_wedging(seed: int, ranges: Ranges) -> None:
    for v in sample(seed, ranges=ranges, fracture_probability=0.0).vertebrae:
        anterior, _, posterior = heights_mm(v)
        assert anterior / posterior > 0.8
        assert v.fracture is None


@pytest.mark.parametrize(("loss", "grade"), [(0.0, 0), (0.199, 0), (0.2, 1), (0.249, 1), (0.25, 2), (0.4, 3), (0.9, 3)])
def test_genant_grade(loss: float, grade: int) -> None:
    assert genant_grade(loss) == grade


def test_bands_touch() -> None:
    assert GENANT_BANDS[1][1] == GENANT_BANDS[2][0]
    assert GENANT_BANDS[2][1] == GENANT_BANDS[3][0]


def _vertebra(z0: float, z1: float, grade: int = 2) -> Vertebra:
    return Vertebra("L1", (0.0, 0.0, (z0 + z1) / 2), (20.0, 20.0, 20.0), z0, z1, grade, "wedge" if grade else None)


@pytest.mark.parametrize(
    ("z0", "z1", "inside"),
    [
        (0, 100, True),
        (100, 0, True),  # either order
        (45, 60, True),  # its centre
        (40, 49, False),  # 9 of 20 mm and not the centre
        (40, 50, True),  # exactly half
        (60, 100, False),
        (0, 40, False),
    ],
)
def test_patch_label(z0: float, z1: float, inside: bool) -> None:
    assert fractured_in([_vertebra(40, 60)], z0, z1) is inside
    assert not fractured_in([_vertebra(40, 60, grade=0)], z0, z1)
    assert fractured_in([_vertebra(40, 60, grade=0), _vertebra(40, 60)], z0, z1) is inside


def test_fractures_are_read() -> None:
    assert parse_fractures("L1=2:wedge, t8=1") == {"L1": (2, "wedge"), "T8": (1, None)}
    assert parse_fractures("") == {}


@pytest.mark.parametrize("text", ["L1", "L1=4", "L1=0", "S1=2", "L9=1", "L1=2:dent", "=2"])
def test_bad_fractures_are_refused_with_what_is_accepted(text: str) -> None:
    with pytest.raises(ValueError, match=r"accepted|write LEVEL"):
        parse_fractures(text)


def test_bad_fracture_values() -> None:
    with pytest.raises(ValueError, match="shape"):
        Fracture("dent", 0.3)
    with pytest.raises(ValueError, match="loss"):
        Fracture("wedge", 0.1)


def test_wanted_fractures_are_made() -> None:
    spec = sample(3, fractures={"L1": (3, "biconcave"), "T7": (1, None)}, kind="both")
    made = {v.level: v.fracture for v in spec.vertebrae if v.fracture}
    assert set(made) == {"L1", "T7"}
    assert (made["L1"].grade, made["L1"].shape) == (3, "biconcave")
    assert made["T7"].grade == 1
    assert replace(spec).without_fractures() == sample(3, fracture_probability=0, kind="both")
