# SPDX-License-Identifier: Apache-2.0
"""The Python models, with a stand-in for Triton's stub and a detector that knows the anatomy."""

import numpy as np
import pytest

pytest.importorskip("tritonclient.grpc")
pytest.importorskip("onnx")

from tests import fake_stub as stub
from tests.model_repository.steps import load, respond
from vcf_contract.contract import (
    AXIAL_SLICES,
    CANAL_GRID,
    CENTRE_LINE,
    CENTRE_LINE_MM,
    CROP,
    SLICE_INDICES,
    SPACING_MM,
    SPINE_PATCHES,
    VOLUME,
    VOLUME_SHAPE,
)


@pytest.mark.parametrize(
    ("shape", "spacing_mm", "code"),
    [
        ((30, 64, 64), (3, 2, 2), "TOO_SHORT"),
        ((60, 64, 64), (3, 0, 2), "BAD_INPUT"),
        ((60, 64, 0), (3, 2, 2), "BAD_INPUT"),
        ((600, 16, 16), (9, 2, 2), "TOO_LONG"),
    ],
)
@pytest.mark.parametrize("model", [AXIAL_SLICES, CENTRE_LINE, SPINE_PATCHES], ids=lambda m: m.name)
def test_volumes_that_are_refused(fewest, model, shape, spacing_mm, code):
    arrays = {
        VOLUME.name: np.zeros(shape, np.int16),
        CROP.name: np.zeros(shape, np.int16),
        VOLUME_SHAPE.name: shape,
        SPACING_MM.name: spacing_mm,
        SLICE_INDICES.name: [0],
        CANAL_GRID.name: np.zeros((1, *CANAL_GRID.shape[1:])),
        CENTRE_LINE_MM.name: [[0, 0, 0]],
    }
    response = respond(fewest if model is SPINE_PATCHES else load(model), model, arrays)
    assert response.error().code() == stub.TritonError.INVALID_ARG
    assert response.error().message().startswith(f"{code}: ")
