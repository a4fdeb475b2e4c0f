# SPDX-License-Identifier: Apache-2.0
"""The centre line of a detector that knows the anatomy."""

import numpy as np
import pytest

pytest.importorskip("tritonclient.grpc")
pytest.importorskip("onnx")

from tests import fake_stub as stub
from tests.model_repository.steps import SPACING, assert_fits_contract, load, located
from tests.preprocess import anatomy
from vcf_contract.contract import (
    CANAL_GRID,
    CENTRE_LINE,
    CENTRE_LINE_MM,
    CLOCK_LINE,
    SLICE_INDICES,
    SPACING_MM,
    VOLUME_SHAPE,
)
from vcf_preprocess.slices import pick


def test_centre_line(volume):
    arrays = located(volume).arrays()
    assert_fits_contract(CENTRE_LINE, arrays)
    z = arrays[CENTRE_LINE_MM.name][:, 2]
    np.testing.assert_allclose(arrays[CENTRE_LINE_MM.name][:, :2], np.stack(anatomy.canal_at(z), -1), atol=1.5)
    assert len(arrays[CLOCK_LINE.name]) == 2
    assert located(volume, clock_ns=[5, 7]).arrays()[CLOCK_LINE.name][:2].tolist() == [5, 7]


def test_spine_that_is_hardly_found_is_refused(volume):
    response = located(volume, found={1})
    assert response.error().code() == stub.TritonError.INVALID_ARG
    assert response.error().message().startswith("SPINE_NOT_FOUND: ")


def test_flags_are_codes(volume):
    found = set(range(len(pick(len(volume.hu), SPACING[0])))) - {3}
    assert b"CANAL_INTERPOLATED" in located(volume, found=found).arrays()["flags"].tolist()


@pytest.mark.parametrize("missing", [VOLUME_SHAPE.name, SPACING_MM.name, SLICE_INDICES.name, CANAL_GRID.name])
def test_an_input_that_is_missing_is_said_so(missing):
    """Triton counts them, and takes an optional one or one that is sent twice for another."""
    arrays = {
        VOLUME_SHAPE.name: np.array([60, 64, 64], np.int32),
        SPACING_MM.name: np.full(3, 3, np.float32),
        SLICE_INDICES.name: np.zeros(1, np.int32),
        CANAL_GRID.name: np.zeros((1, *CANAL_GRID.shape[1:]), np.float32),
    }
    del arrays[missing]
    (response,) = load(CENTRE_LINE).execute([stub.Request(arrays, [CENTRE_LINE_MM.name])])
    assert response.error().code() == stub.TritonError.INVALID_ARG
    assert response.error().message().startswith(f"BAD_INPUT: {missing} is missing")


@pytest.mark.parametrize("indices", [[], [0, 10, 10, 20], [0, 10, 400], [-1, 10, 20]])
def test_slices_that_are_not_the_volumes_are_refused(volume, indices):
    response = located(volume, indices=np.array(indices, np.int32))
    assert response.error().code() == stub.TritonError.INVALID_ARG
    assert response.error().message().startswith("BAD_INPUT: ")
