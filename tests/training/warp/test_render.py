# SPDX-License-Identifier: Apache-2.0
from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from tests.training.warp.conftest import LEVELS, PlainSpine
from vcf_training.phantom import Fracture, fractured_in
from vcf_training.warp.collapse import Collapse, Mild
from vcf_training.warp.field import Field, Posture, Wobble
from vcf_training.warp.heights import six_points
from vcf_training.warp.render import Scanner, WarpedSpine, render

NATIVE = Scanner(1.0, 1.0)


def deform(
    spine: PlainSpine,
    hu: NDArray[np.int16],
    hows: Mapping[str, Fracture | Mild],
    scanner: Scanner = NATIVE,
    posture: Posture = Posture(),  # noqa: B008 (immutable)
) -> WarpedSpine:
    patient = spine.patient(hu)
    collapses = [
        Collapse(body, hows[body.level], [b for b in patient.bodies if b is not body])
        for body in patient.bodies
        if body.level in hows
    ]
    field = Field(np.array((60.0, 109.0, 95.0)), collapses, posture, Wobble(0, 0.0))
    return render(patient, field, scanner, np.random.default_rng(0))


def bones(spine: PlainSpine, hu: int = 1000) -> NDArray[np.int16]:
    return np.where(spine.labels > 0, hu, 0).astype(np.int16)


def texture() -> NDArray[np.int16]:
    noise = gaussian_filter(np.random.default_rng(1).standard_normal((190, 150, 120)), 1.5)
    return (60 + 60 * noise / noise.std()).astype(np.int16)


def test_without_deformation_the_ct_is_what_it_was(plain_spine: PlainSpine) -> None:
    hu = texture()
    sample = deform(plain_spine, hu, {})
    x0, y0, z0 = sample.volume.affine[:3, 3]
    index = np.indices(sample.volume.hu.shape, float) + np.array((z0, y0, x0)).reshape(3, 1, 1, 1)
    expected = map_coordinates(hu.astype(float), index, order=3, mode="nearest")
    assert np.abs(sample.volume.hu - expected).max() < 2
    np.testing.assert_allclose(
        sample.centre_line_mm + np.array((x0, y0)), plain_spine.canal_mm[: len(sample.volume.hu)], atol=0.1
    )
    assert [v.level for v in sample.vertebrae] == list(LEVELS)
    assert not any(v.grade for v in sample.vertebrae)


@pytest.mark.parametrize(
    "how",
    [
        Fracture("wedge", 0.22),
        Fracture("wedge", 0.33, upper_share=0.6, power=1.2),
        Fracture("wedge", 0.55, angulation=0.6),
        Fracture("biconcave", 0.225, upper_share=0.5, bulge_mm=0),
        Fracture("biconcave", 0.45, upper_share=0.4, bulge_mm=0),
        Fracture("crush", 0.3, upper_share=0.9),
        Fracture("crush", 0.5),
    ],
    ids=lambda h: f"{h.shape}-{h.loss}",
)
def test_measured_height_is_in_the_wanted_band(plain_spine: PlainSpine, how: Fracture) -> None:
    """Six-point morphometry on the deformed bones knows nothing of how they were deformed."""
    sample = deform(plain_spine, bones(plain_spine), {"T11": how})
    truth = next(v for v in sample.vertebrae if v.level == "T11")
    assert truth.grade == how.grade and truth.shape == how.shape

    z = np.arange(len(sample.volume.hu))[:, None, None]
    only = (sample.volume.hu > 500) & (z >= truth.z0_mm - 4) & (z <= truth.z1_mm + 4)
    found = six_points(only, sample.volume.spacing_mm, sample.centre_line_mm)
    assert found is not None
    np.testing.assert_allclose(found.heights_mm, truth.heights_mm, atol=1.3)
    lost = 1 - np.array(found.heights_mm) / 24.0
    assert lost.max() == pytest.approx(how.loss, abs=0.055)


def test_labels_of_patches(plain_spine: PlainSpine) -> None:
    sample = deform(plain_spine, bones(plain_spine), {"T11": Fracture("crush", 0.5)})
    t11 = next(v for v in sample.vertebrae if v.level == "T11")
    assert fractured_in(sample.vertebrae, t11.centre_mm[2] - 20, t11.centre_mm[2] + 5)
    assert not fractured_in(sample.vertebrae, t11.z1_mm + 2, t11.z1_mm + 50)


def test_mild_losses_carry_no_grade(plain_spine: PlainSpine) -> None:
    sample = deform(plain_spine, bones(plain_spine), {level: Mild("wedge", 0.15, power=0.8) for level in LEVELS})
    assert [(v.grade, v.shape) for v in sample.vertebrae] == [(0, None)] * len(LEVELS)


def test_no_seam_around_a_fracture(plain_spine: PlainSpine) -> None:
    """Around the collapsed body the texture's steepest gradients are those of the CT, not of a border."""
    hu = texture()

    def steepest(hows: Mapping[str, Fracture]) -> float:
        sample = deform(plain_spine, hu, hows)
        x0, y0, z0 = sample.volume.affine[:3, 3]
        z, y, x = np.ogrid[tuple(slice(0, n) for n in sample.volume.hu.shape)]
        beside = np.maximum(np.abs(x + x0 - 60) - 18, np.abs(y + y0 - 85) - 15)
        around = (beside > 1) & (beside < 25) & (z + z0 > 40) & (z + z0 < 150)
        gradient = np.linalg.norm(np.stack(np.gradient(sample.volume.hu.astype(float))), axis=0)
        return float(np.percentile(gradient[around], 99.9))

    plain = steepest({})
    for how in (Fracture("wedge", 0.5), Fracture("crush", 0.5), Fracture("biconcave", 0.5, bulge_mm=0)):
        assert steepest({"T11": how}) < 1.35 * plain


def test_collapsed_bone_is_denser_and_the_rest_is_not(plain_spine: PlainSpine) -> None:
    how = Fracture("crush", 0.45, sclerosis_hu=80, upper_share=0.8)
    sample = deform(plain_spine, bones(plain_spine, hu=150), {"T11": how})
    t11, t9 = (next(v for v in sample.vertebrae if v.level == level) for level in ("T11", "T9"))
    at = [tuple(round(c) for c in v.centre_mm[::-1]) for v in (t11, t9)]
    collapsed, sound = (sample.volume.hu[z - 2 : z + 3, y - 4 : y + 5, x - 4 : x + 5].mean() for z, y, x in at)
    assert sound == pytest.approx(150, abs=2)
    assert 190 < collapsed < 150 + 260 + 80


def test_scanner_sets_spacing_noise_and_gain(plain_spine: PlainSpine) -> None:
    flat = np.full(plain_spine.labels.shape, 140, np.int16)
    sample = deform(plain_spine, flat, {}, Scanner(slice_mm=3.2, pixel_mm=0.9, noise_hu=12.0, contrast=0.9))
    assert sample.volume.spacing_mm == (3.2, 0.9, 0.9)
    assert sample.volume.hu.std() == pytest.approx(12.0, rel=0.05)
    assert sample.volume.hu.mean() == pytest.approx(40 + 0.9 * 100, abs=0.5)


def test_size_changes_heights_but_is_no_fracture(plain_spine: PlainSpine) -> None:
    sample = deform(plain_spine, bones(plain_spine), {}, posture=Posture((0.9, 0.9, 0.9)))
    for v in sample.vertebrae:
        np.testing.assert_allclose(v.heights_mm, 0.9 * 24, atol=0.1)
        assert v.grade == 0


def test_too_short_a_ct_is_refused(plain_spine: PlainSpine) -> None:
    with pytest.raises(ValueError, match="45 mm"):
        deform(plain_spine, bones(plain_spine), {}, posture=Posture((0.2, 0.2, 0.2)))
