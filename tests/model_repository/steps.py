# SPDX-License-Identifier: Apache-2.0
"""The Python models with a stand-in for Triton's stub, and a detector that knows the anatomy."""

import json
import shutil

import numpy as np

from tests import fake_stub as stub
from tests.preprocess import anatomy
from vcf_contract.contract import (
    CANAL_GRID,
    CENTRE_LINE,
    SLICE_INDICES,
    SPACING_MM,
    SPINE_PATCHES,
    VOLUME_SHAPE,
)
from vcf_contract.spec import DETECTOR
from vcf_preprocess.aggregate import Aggregation
from vcf_preprocess.slices import pick, volume_to_image_px
from vcf_runtime.step import NUMPY

SPACING = (3.0, 2.0, 2.0)


def load(model, repository=stub.ROOT / "model_repository"):
    folder = repository / model.name
    instance = stub.load(folder / "1" / "model.py").TritonPythonModel()
    if hasattr(instance, "initialize"):
        instance.initialize(stub.arguments(folder, stub.config_text(folder)))
    return instance


def spine_patches(folder, overlap=0.0):
    """The model in a repository whose weights ask for patches that overlap so much."""
    shutil.copytree(stub.ROOT / "model_repository" / SPINE_PATCHES.name, folder / SPINE_PATCHES.name)
    point = folder / SPINE_PATCHES.name / "1" / "operating_point.json"
    aggregation = Aggregation(overlap=overlap).plain()
    point.write_text(json.dumps({"threshold": 0.5, "aggregation": aggregation, "weights": {}, "weights_sha256": ""}))
    return load(SPINE_PATCHES, folder)


def respond(instance, model, arrays):
    given = [tensor for tensor in model.inputs if tensor.name in arrays or not tensor.optional]
    inputs = {tensor.name: np.asarray(arrays[tensor.name], NUMPY[tensor.dtype]) for tensor in given}
    (response,) = instance.execute([stub.Request(inputs, [tensor.name for tensor in model.outputs])])
    return response


def assert_fits_contract(model, arrays):
    for tensor in model.outputs:
        array = arrays[tensor.name]
        assert array.dtype == NUMPY[tensor.dtype], tensor.name
        assert array.ndim == len(tensor.shape), tensor.name
        assert all(there in (-1, here) for here, there in zip(array.shape, tensor.shape, strict=True)), tensor.name


def canal_grid(volume, indices, found=None):
    """What a perfect detector answers: the box about the true canal centre, in the first anchor."""
    grid = np.zeros((len(indices), *CANAL_GRID.shape[1:]), np.float32)
    grid[..., 4::5] = -8
    centres = np.stack(anatomy.canal_at(indices * SPACING[0]), -1)
    places = volume_to_image_px(centres, volume.hu.shape, SPACING) / DETECTOR.stride_px
    for number, (x, y) in enumerate(places):
        if found is None or number in found:
            fraction_x, fraction_y = x % 1, y % 1
            logit = [np.log(f / (1 - f)) for f in (fraction_x, fraction_y)]
            grid[number, int(y), int(x), :5] = [*logit, 0, 0, 8]
    return grid


def located(volume, indices=None, found=None, **more):
    indices = pick(len(volume.hu), SPACING[0]) if indices is None else indices
    return respond(
        load(CENTRE_LINE),
        CENTRE_LINE,
        {
            VOLUME_SHAPE.name: volume.hu.shape,
            SPACING_MM.name: SPACING,
            SLICE_INDICES.name: indices,
            CANAL_GRID.name: canal_grid(volume, indices, found),
            **more,
        },
    )
