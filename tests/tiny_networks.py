# SPDX-License-Identifier: Apache-2.0
"""A complete model repository without training: small graphs with the names and shapes of the contract.

The detector finds the canal in the middle of every slice that is not all air; encoders and heads are fixed linear
maps, different for each member, so that an answer from the wrong member or for the wrong patch is seen.
"""

import shutil
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from export.operating_point import write_operating_point
from preprocess.spec import DETECTOR
from vcf.contract import (
    CANAL_GRID,
    ENCODERS,
    FEATURE_ROWS,
    FEATURES,
    HEADS,
    LOCATION,
    PATCH_PROBABILITY,
    PATCHES,
    SLICE_IMAGES,
    SPINAL_CORD_DETECTOR,
)

ROOT = Path(__file__).resolve().parents[1]
THRESHOLD = 0.4


def repository(target: Path) -> Path:
    """The checkout's model repository, with tiny networks in place of any trained ones."""
    made = ("model.onnx", "model.plan", "model.int8.*", "model.fp16.onnx", "passport.json", "__pycache__")
    shutil.copytree(ROOT / "model_repository", target, ignore=shutil.ignore_patterns(*made))
    write_networks(target)
    write_operating_point(target, {"threshold": THRESHOLD})
    return target


def write_networks(target: Path) -> None:
    """Only the ``model.onnx`` files."""
    networks = {SPINAL_CORD_DETECTOR.name: detector()}
    networks |= {model.name: encoder(seed) for seed, model in enumerate(ENCODERS)}
    networks |= {model.name: head(seed) for seed, model in enumerate(HEADS)}
    for name, network in networks.items():
        path = target / name / "1" / "model.onnx"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(network.SerializeToString())


def detector() -> onnx.ModelProto:
    """Logit of the middle cell 1000·mean − 8, −8 elsewhere; all other channels 0."""
    cells = DETECTOR.grid
    background, middle = (np.zeros((cells, cells, DETECTOR.head_channels), np.float32) for _ in range(2))
    background[..., 4::5] = -8
    middle[cells // 2, cells // 2, 4] = 1000
    return _model(
        [
            helper.make_node("ReduceMean", [SLICE_IMAGES.name], ["mean"], axes=[1, 2, 3], keepdims=1),
            helper.make_node("Mul", ["mean", "middle"], ["bright"]),
            helper.make_node("Add", ["bright", "background"], [CANAL_GRID.name]),
        ],
        {SLICE_IMAGES.name: ("batch", *SLICE_IMAGES.shape[1:])},
        {CANAL_GRID.name: ("batch", *CANAL_GRID.shape[1:])},
        {"middle": middle, "background": background},
    )


def encoder(seed: int) -> onnx.ModelProto:
    """Means over groups of voxels, weighted."""
    weight = np.random.default_rng(seed).normal(size=FEATURES).astype(np.float32)
    return _model(
        [
            helper.make_node("Reshape", [PATCHES.name, "groups"], ["grouped"]),
            helper.make_node("ReduceMean", ["grouped"], ["mean"], axes=[1], keepdims=0),
            helper.make_node("Mul", ["mean", "weight"], [FEATURE_ROWS.name]),
        ],
        {PATCHES.name: ("batch", *PATCHES.shape[1:])},
        {FEATURE_ROWS.name: ("batch", FEATURES)},
        {"groups": np.array([0, -1, FEATURES]), "weight": weight},
    )


def head(seed: int) -> onnx.ModelProto:
    """Sigmoid of a projection of each row plus its location, as (flips, patches)."""
    projection = np.random.default_rng(100 + seed).normal(size=(FEATURES, 1)).astype(np.float32)
    return _model(
        [
            helper.make_node("MatMul", [FEATURE_ROWS.name, "projection"], ["column"]),
            helper.make_node("Shape", [LOCATION.name], ["patches"]),
            helper.make_node("Concat", ["free", "patches"], ["shape"], axis=0),
            helper.make_node("Reshape", ["column", "shape"], ["logit"]),
            helper.make_node("Add", ["logit", LOCATION.name], ["moved"]),
            helper.make_node("Sigmoid", ["moved"], [PATCH_PROBABILITY.name]),
        ],
        {FEATURE_ROWS.name: ("rows", FEATURES), LOCATION.name: ("k",)},
        {PATCH_PROBABILITY.name: ("flips", "k")},
        {"projection": projection, "free": np.array([-1])},
    )


def _model(nodes, inputs, outputs, constants) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model
