# SPDX-License-Identifier: Apache-2.0
"""Detector images out of a volume, with a stand-in for Triton's stub."""

import time

import numpy as np
import pytest

pytest.importorskip("tritonclient.grpc")
pytest.importorskip("onnx")

from tests.model_repository.steps import SPACING, assert_fits_contract, load, respond
from vcf_contract.contract import AXIAL_SLICES, CLOCK_SLICES, SLICE_INDICES, SPACING_MM, VOLUME


def test_axial_slices(volume):
    started_ns = time.monotonic_ns()
    arrays = respond(load(AXIAL_SLICES), AXIAL_SLICES, {VOLUME.name: volume.hu, SPACING_MM.name: SPACING}).arrays()
    assert_fits_contract(AXIAL_SLICES, arrays)
    indices = arrays[SLICE_INDICES.name]
    assert indices[0] == 0 and indices[-1] == len(volume.hu) - 1
    assert np.diff(indices)[:-1].tolist() == [10] * (len(indices) - 2)
    start, end = arrays[CLOCK_SLICES.name]
    assert started_ns <= start < end <= time.monotonic_ns()
