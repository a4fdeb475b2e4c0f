# SPDX-License-Identifier: Apache-2.0
"""Patches of a volume and of its crop, with a stand-in for Triton's stub."""

import numpy as np
import pytest

pytest.importorskip("tritonclient.grpc")
pytest.importorskip("onnx")

from tests.model_repository.steps import SPACING, assert_fits_contract, located, respond, spine_patches
from vcf_contract.contract import (
    CENTRE_LINE_MM,
    CLOCK_PATCHES,
    CROP,
    CROP_ORIGIN,
    PATCH_BOXES_MM,
    SLICE_LOCATION_MM,
    SPACING_MM,
    SPINE_PATCHES,
    VOLUME_SHAPE,
)
from vcf_preprocess import centre_line, spine
from vcf_preprocess.crop import cut


def patched(model, volume, part=None, **more):
    line = located(volume).arrays()[CENTRE_LINE_MM.name]
    given = {CROP.name: volume.hu} if part is None else {CROP.name: part.hu, CROP_ORIGIN.name: part.origin}
    return respond(
        model,
        SPINE_PATCHES,
        {
            **given,
            VOLUME_SHAPE.name: volume.hu.shape,
            SPACING_MM.name: SPACING,
            CENTRE_LINE_MM.name: line,
            **more,
        },
    )


def test_spine_patches(volume, fewest):
    arrays = patched(fewest, volume).arrays()
    assert_fits_contract(SPINE_PATCHES, arrays)
    k = len(arrays["location"])
    assert len(arrays["patches"]) == k
    assert len(arrays[CLOCK_PATCHES.name]) == 2
    assert patched(fewest, volume, clock_ns=[5, 7, 8]).arrays()[CLOCK_PATCHES.name][:3].tolist() == [5, 7, 8]


def test_patches_overlap_as_the_weights_ask(volume, fewest, tmp_path):
    few, many = (patched(model, volume).arrays() for model in (fewest, spine_patches(tmp_path, 0.5)))
    assert (len(few["location"]), len(many["location"])) == (6, 10)  # of 261 mm: ⌈261/48⌉, ⌈(261 − 48)/24⌉ + 1
    assert_fits_contract(SPINE_PATCHES, many)
    for name in ("patches", "patch_boxes_mm"):  # the ends are the same
        np.testing.assert_allclose(many[name][[0, -1]], few[name][[0, -1]], atol=1e-5)


def test_overlapping_patches_lie_at_fixed_heights_in_the_patient(volume, tmp_path):
    many = spine_patches(tmp_path, 0.5)
    arrays = patched(many, volume, **{SLICE_LOCATION_MM.name: [-311.0]}).arrays()
    assert_fits_contract(SPINE_PATCHES, arrays)
    centres = arrays[PATCH_BOXES_MM.name][:, [2, 5]].mean(1) - 311.0
    assert np.abs(centres[1:-1] - 24 * np.round(centres[1:-1] / 24)).max() < 1e-3
    plain = patched(many, volume).arrays()
    np.testing.assert_allclose(arrays["patches"][[0, -1]], plain["patches"][[0, -1]], atol=1e-5)


def test_a_crop_gives_what_the_volume_gives(volume, fewest):
    line = centre_line.received(located(volume).arrays()[CENTRE_LINE_MM.name], volume.hu.shape, SPACING)
    crop = cut(volume.hu, spine.window(volume.hu.shape, SPACING, line))
    assert crop.hu.size < 0.8 * volume.hu.size
    whole, part = patched(fewest, volume).arrays(), patched(fewest, volume, crop).arrays()
    for name in ("patches", "location", "patch_boxes_mm"):
        np.testing.assert_array_equal(whole[name], part[name], err_msg=name)
    # The picture shows the rows that the crop holds, and says where it begins.
    first = round(float(part["midsagittal_mm"][1] - whole["midsagittal_mm"][1]) / SPACING[1])
    seen = whole["midsagittal"][:, first : first + part["midsagittal"].shape[1]]
    np.testing.assert_array_equal(seen, part["midsagittal"])


@pytest.mark.parametrize(
    "bad",
    [
        {CROP_ORIGIN.name: [-1, 0]},
        {CROP_ORIGIN.name: [1, 0]},
        {VOLUME_SHAPE.name: [87, 99, 80]},
        {VOLUME_SHAPE.name: [2**31 - 1] * 3},
        {CROP.name: np.zeros((87, 20, 20), np.int16), CROP_ORIGIN.name: [0, 0]},  # not where the spine is
        {CENTRE_LINE_MM.name: np.full((87, 3), np.nan)},
        {CENTRE_LINE_MM.name: np.zeros((0, 3))},
        {CENTRE_LINE_MM.name: np.full((3, 3), 3e38)},
        {CENTRE_LINE_MM.name: [[1e30, 0, 0], [1e30, 0, 3]]},
        {CENTRE_LINE_MM.name: [[80, 120, 0], [80, 120, 4]]},
        {CENTRE_LINE_MM.name: [[80, 120, -30], [80, 120, -27]]},
        {CENTRE_LINE_MM.name: [[80, 120, 3]]},  # a single slice has no extent
    ],
)
def test_crops_and_lines_that_do_not_fit_are_refused(volume, fewest, bad):
    response = patched(fewest, volume, **{CROP_ORIGIN.name: [0, 0], **bad})
    assert response.has_error()
    assert response.error().message().startswith("BAD_INPUT: "), response.error().message()
