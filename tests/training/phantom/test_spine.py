# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from tests.training.phantom.measure import canal, heights
from vcf_training.phantom import Phantom

# Level: posterior height, endplate D, canal W and AP in mm (Panjabi et al. 1991, 1992).
PANJABI = {
    "T1": (14.1, 18.5, 21.8, 16.4),
    "T4": (16.2, 23.3, 17.0, 16.2),
    "T8": (18.7, 27.9, 17.6, 15.8),
    "T12": (22.7, 32.8, 22.2, 18.1),
    "L1": (23.8, 34.1, 23.7, 19.0),
    "L3": (23.8, 35.2, 24.3, 17.5),
    "L5": (22.9, 34.7, 27.1, 19.7),
}
WEDGE = {"L1": 0.92, "T12": 0.90}


@pytest.mark.parametrize("level", PANJABI)
def test_heights_measured_from_voxels_are_those_of_the_table(straight: Phantom, level: str) -> None:
    vertebra = next(v for v in straight.vertebrae if v.level == level)
    posterior, depth, _, _ = PANJABI[level]
    measured = heights(straight, vertebra, depth)
    assert measured[2] == pytest.approx(posterior, abs=0.5)
    assert measured == pytest.approx(vertebra.heights_mm, abs=0.5)


@pytest.mark.parametrize("level", WEDGE)
def test_normal_vertebrae_are_wedged(straight: Phantom, level: str) -> None:
    vertebra = next(v for v in straight.vertebrae if v.level == level)
    anterior, middle, posterior = heights(straight, vertebra, PANJABI[level][1])
    assert anterior / posterior == pytest.approx(WEDGE[level], abs=0.025)
    assert middle < (anterior + posterior) / 2  # endplates are dished


def test_l5_is_taller_in_front(straight: Phantom) -> None:
    l5 = straight.vertebrae[-1]
    anterior, _, posterior = heights(straight, l5, PANJABI["L5"][1])
    assert l5.level == "L5"
    assert anterior > 1.05 * posterior


@pytest.mark.parametrize("level", ["T4", "T8", "T12", "L1", "L3"])
def test_canal_measured_from_voxels_is_that_of_the_table_and_of_the_truth(straight: Phantom, level: str) -> None:
    vertebra = next(v for v in straight.vertebrae if v.level == level)
    found = [c for z in np.arange(vertebra.centre_mm[2] - 5, vertebra.z1_mm, 0.5) if (c := canal(straight, z))]
    assert found, f"no slice of {level} has a closed ring of bone"
    x, y, width, depth = np.median(found, axis=0)
    k = round(vertebra.centre_mm[2] / straight.volume.spacing_mm[0])
    assert (x, y) == pytest.approx(straight.centre_line_mm[k], abs=0.75)
    assert (width, depth) == pytest.approx(PANJABI[level][2:], abs=1.5)
    assert straight.canal_boxes_mm[k] == pytest.approx(PANJABI[level][2:], abs=0.5)


def test_vertebrae_run_from_head_to_feet_without_overlap(straight: Phantom) -> None:
    assert [v.level for v in straight.vertebrae] == [*(f"T{i}" for i in range(1, 13)), *(f"L{i}" for i in range(1, 6))]
    for upper, lower in zip(straight.vertebrae, straight.vertebrae[1:], strict=False):
        assert 2.0 < upper.z0_mm - lower.z1_mm < 10.0  # a disc between them


def test_volume_is_canonical(straight: Phantom) -> None:
    volume = straight.volume
    assert volume.hu.dtype == np.int16
    assert np.allclose(np.diag(volume.affine)[:3], volume.spacing_mm[::-1])
    assert straight.centre_line_mm.shape == straight.canal_boxes_mm.shape == (len(volume.hu), 2)
    # The bodies lie in front of the canal (smaller y), the ribs on both sides of it.
    t8 = next(v for v in straight.vertebrae if v.level == "T8")
    k = round(t8.centre_mm[2] / volume.spacing_mm[0])
    assert t8.centre_mm[1] < straight.centre_line_mm[k, 1] - 15
