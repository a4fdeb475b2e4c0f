# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import nibabel
import numpy as np
import pytest

from vcf_preprocess.geometry import canonicalise
from vcf_training.warp.heights import measure, six_points
from vcf_training.warp.midline import canal_from_labels

FRONT, DEPTH, HEIGHT = 40.0, 32.0, 25.0
SPACING = (1.5, 0.8, 0.8)


def body(
    tilt_deg: float = 0.0, anterior: float = 0.0, middle: float = 0.0, posterior: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """A body that leans forward, its upper endplate lowered by these mm at its landmarks; a canal and an arch."""
    z, y, x = np.ogrid[:48, :130, :80]
    lean = np.radians(tilt_deg)
    dy, dz = y * SPACING[1] - FRONT - DEPTH / 2, z * SPACING[0] - 36.0
    v, w = np.cos(lean) * dy + np.sin(lean) * dz, -np.sin(lean) * dy + np.cos(lean) * dz
    dx = x * SPACING[2] - 32.0
    at = np.array((-0.4, 0.0, 0.4)) * DEPTH
    lost = np.polyval(np.polyfit(at, (anterior, middle, posterior), 2), v)
    mask = (np.abs(v) < DEPTH / 2) & (w > -HEIGHT / 2) & (w < HEIGHT / 2 - lost) & (np.abs(dx) < 20)
    back = v - DEPTH / 2
    mask |= (np.abs(w) < 8) & (back >= 0) & (back < 18) & (np.abs(dx) > 9) & (np.abs(dx) < 14)
    mask |= (np.abs(w) < 8) & (back >= 18) & (back < 30) & (np.abs(dx) < 12)
    heights = np.arange(48) * SPACING[0] - 36.0
    canal_y = FRONT + DEPTH / 2 + (DEPTH / 2 + 9) / np.cos(lean) - np.tan(lean) * heights
    return mask, np.column_stack((np.full(48, 32.0), canal_y))


@pytest.mark.parametrize("tilt_deg", [0.0, 12.0, -17.0, 35.0])
@pytest.mark.parametrize("lost", [(0.0, 0.0, 0.0), (9.0, 4.5, 0.0), (1.0, 10.0, 1.0), (8.0, 8.5, 8.0)])
def test_heights_of_a_known_body(tilt_deg: float, lost: tuple[float, float, float]) -> None:
    mask, canal = body(tilt_deg, *lost)
    found = six_points(mask, SPACING, canal)
    assert found is not None
    # The endplate's slope changes the axis that heights are measured along; half a slice is the grid's own error.
    np.testing.assert_allclose(found.heights_mm, HEIGHT - np.array(lost), atol=0.9)
    assert found.depth_mm == pytest.approx(DEPTH, abs=2.5)


def test_tilt_is_the_forward_lean() -> None:
    mask, canal = body(20.0)
    found = six_points(mask, SPACING, canal)
    assert found is not None and np.degrees(found.tilt) == pytest.approx(20.0, abs=1.5)


def test_a_vertebra_cut_by_the_volume_is_left_out() -> None:
    mask, canal = body()
    labels = np.where(mask, 5, 0)
    assert set(measure(labels, {5: "L1"}, SPACING, canal)) == {"L1"}
    assert measure(labels[20:], {5: "L1", 7: "L2"}, SPACING, canal[20:]) == {}


def test_real_fractured_spine(shared_data: Path) -> None:
    """VerSe layout, 3 mm from side to side: L1 is biconcave, its neighbours T12 and L3 are not."""
    folder = shared_data / "verse/sub-sample001/sample_dataset/derivatives/sub-sample001"
    image = nibabel.load(folder / "sub-sample001_seg-vert_msk.nii.gz")
    volume = canonicalise(np.asanyarray(image.dataobj).astype(np.int16), np.diag((-1, -1, 1, 1.0)) @ image.affine)
    canal = canal_from_labels(volume.hu, volume.spacing_mm)
    found = measure(volume.hu, {19: "T12", 20: "L1", 22: "L3"}, volume.spacing_mm, canal)
    assert found["L1"].heights_mm[1] == pytest.approx(17.7, abs=0.8)
    assert found["L1"].heights_mm[2] == pytest.approx(26.0, abs=1.0)
    assert min(found["L3"].heights_mm) > 25
