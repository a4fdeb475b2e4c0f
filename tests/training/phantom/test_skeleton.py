# SPDX-License-Identifier: Apache-2.0
"""Bones but the bodies: where arches, ribs and the sternum lie, and what is left out away from the spine."""

import numpy as np
import pytest

from vcf_training.phantom import nominal
from vcf_training.phantom.bone import BoneCanvas
from vcf_training.phantom.grid import Grid
from vcf_training.phantom.skeleton import Skeleton, arch
from vcf_training.phantom.spine import Spine, build_spine
from vcf_training.phantom.texture import Texture
from vcf_training.phantom.torso import Torso

SPEC = nominal()


@pytest.fixture(scope="module")
def spine() -> Spine:
    return build_spine(SPEC)


def skeleton(spine: Spine, *, near_spine: bool) -> Skeleton:
    return Skeleton.of(SPEC, spine, Torso(SPEC, spine), near_spine=near_spine)


@pytest.mark.parametrize("level", ["T5", "T12", "L3"])
def test_an_arch_lies_behind_its_body_and_is_symmetric(spine: Spine, level: str) -> None:
    pose = next(p for p in spine.poses if p.spec.level == level)
    ends = np.array([(c.start, c.end) for c in arch(pose)]).reshape(-1, 3)
    assert ends[:, 1].min() > 0, "in the vertebra's own axes, v points back"
    assert ends[:, 1].max() > pose.spec.depth_mm / 2 + pose.spec.canal_depth_mm, "the spinous process"
    assert sorted(np.round(ends[:, 0], 3)) == sorted(np.round(-ends[:, 0], 3))


def test_near_the_spine_there_is_less_of_it_and_nothing_else(spine: Spine) -> None:
    whole, near = skeleton(spine, near_spine=False), skeleton(spine, near_spine=True)
    assert len(near.capsules) < len(whole.capsules)
    assert np.abs(np.array([c.bounds() for c in near.capsules])[..., 0]).max() < 150


def test_bounds_hold_their_capsules(spine: Spine) -> None:
    found = skeleton(spine, near_spine=False)
    assert (found.low_mm < found.high_mm).all() and len(found.low_mm) == len(found.capsules)


def test_blocks_of_a_picture_join_without_a_seam(spine: Spine) -> None:
    bones = skeleton(spine, near_spine=True)
    z = (spine.z_of(11) + np.arange(24) * 1.5).astype(np.float32)
    across = np.arange(-60, 61, 2, dtype=np.float32)

    def painted(part: slice) -> np.ndarray:
        canvas = BoneCanvas(Grid(z[part], across, across, 2.0, 1.5), Texture.of(0), 120.0)
        bones.paint(canvas)
        return canvas.outer

    whole = painted(slice(None))
    np.testing.assert_array_equal(whole, np.concatenate([painted(slice(0, 10)), painted(slice(10, None))]))
    assert 0.02 < whole.mean() < 0.5 and whole.max() == pytest.approx(1)
