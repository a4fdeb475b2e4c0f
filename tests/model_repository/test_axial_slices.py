# SPDX-License-Identifier: Apache-2.0
"""Detector images out of a volume, with a stand-in for Triton's stub."""

import time

import numpy as np
import pytest

pytest.importorskip("tritonclient.grpc")
pytest.importorskip("onnx")

from tests.model_repository.steps import SPACING, assert_fits_contract, load, respond
from vcf_contract.contract import AXIAL_SLICES, CLOCK_SLICES, SLICE_INDICES, SLICE_LOCATION_MM, SPACING_MM, VOLUME


def test_axial_slices(volume):
    started_ns = time.monotonic_ns()
    arrays = respond(load(AXIAL_SLICES), AXIAL_SLICES, {VOLUME.name: volume.hu, SPACING_MM.name: SPACING}).arrays()
    assert_fits_contract(AXIAL_SLICES, arrays)
    indices = arrays[SLICE_INDICES.name]
    assert indices[0] == 0 and indices[-1] == len(volume.hu) - 1
    assert np.diff(indices)[:-1].tolist() == [10] * (len(indices) - 2)
    start, end = arrays[CLOCK_SLICES.name]
    assert started_ns <= start < end <= time.monotonic_ns()


@pytest.mark.parametrize("location_mm", [-100.0, 12.0])
def test_slices_lie_at_fixed_heights_in_the_patient(volume, location_mm):
    given = {VOLUME.name: volume.hu, SPACING_MM.name: SPACING, SLICE_LOCATION_MM.name: [location_mm]}
    indices = respond(load(AXIAL_SLICES), AXIAL_SLICES, given).arrays()[SLICE_INDICES.name]
    at_mm = location_mm + indices * SPACING[0]
    assert np.abs(at_mm[1:-1] - 30 * np.round(at_mm[1:-1] / 30)).max() <= SPACING[0] / 2
    assert indices[0] == 0 and indices[-1] == len(volume.hu) - 1


@pytest.mark.parametrize("location_mm", [[np.nan], [np.inf], [2e6], [1.0, 2.0]])
def test_a_location_that_is_none_is_refused(volume, location_mm):
    given = {VOLUME.name: volume.hu, SPACING_MM.name: SPACING, SLICE_LOCATION_MM.name: location_mm}
    response = respond(load(AXIAL_SLICES), AXIAL_SLICES, given)
    assert response.has_error()
    assert response.error().message().startswith("BAD_INPUT: "), response.error().message()
