# SPDX-License-Identifier: Apache-2.0
"""A complete model repository without training: small graphs with the names and shapes of the contract.

The detector finds the canal in the middle of every slice that is not all air; encoder and head are fixed linear maps,
different for each member and flip, so that an answer from the wrong member or for the wrong patch is seen.
"""

import shutil
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from vcf_contract.contract import (
    CANAL_GRID,
    FEATURE_ROWS,
    LOCATION,
    PATCH_ENCODER,
    PATCH_PROBABILITY,
    PATCHES,
    SEQUENCE_HEAD,
    SLICE_IMAGES,
    SPINAL_CORD_DETECTOR,
    STUDY_PROBABILITY,
)
from vcf_contract.spec import DETECTOR
from vcf_export import config
from vcf_export.operating_point_writer import write_operating_point
from vcf_export.passport_writer import record

ROOT = Path(__file__).resolve().parents[1]
THRESHOLD = 0.4
MEMBERS, FLIPS, WIDTH = 3, 2, 64
FEATURES = MEMBERS * FLIPS * WIDTH


def repository(target: Path) -> Path:
    """The checkout's model repository, with tiny networks in place of any trained ones."""
    made = ("model.onnx", "model.plan", "model.int8.*", "model.fp16.onnx", "passport.json", "__pycache__")
    shutil.copytree(ROOT / "model_repository", target, ignore=shutil.ignore_patterns(*made))
    write_networks(target)
    config.write(target)
    write_operating_point(target, {"threshold": THRESHOLD})
    return target


def write_networks(target: Path) -> None:
    """Only the ``model.onnx`` files."""
    networks = {SPINAL_CORD_DETECTOR.name: detector(), PATCH_ENCODER.name: encoder(), SEQUENCE_HEAD.name: head()}
    for name, network in networks.items():
        path = target / name / "1" / "model.onnx"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(network.SerializeToString())
        record(
            path, precision="fp32", shapes={v.name: _shape(v) for v in (*network.graph.input, *network.graph.output)}
        )


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


def encoder() -> onnx.ModelProto:
    """Means over groups of voxels of the patch and of its mirror image, weighted for each member and flip."""
    weights = np.random.default_rng(0).normal(size=(MEMBERS, FLIPS, 1, WIDTH)).astype(np.float32)
    nodes = [helper.make_node("Gather", [PATCHES.name, "mirrored"], ["flipped"], axis=3)]
    rows = []
    for flip, seen in enumerate((PATCHES.name, "flipped")):
        nodes += [
            helper.make_node("Reshape", [seen, "groups"], [f"grouped{flip}"]),
            helper.make_node("ReduceMean", [f"grouped{flip}"], [f"mean{flip}"], axes=[1], keepdims=0),
        ]
    for member in range(MEMBERS):
        for flip in range(FLIPS):
            rows.append(f"rows{member}{flip}")
            nodes.append(helper.make_node("Mul", [f"mean{flip}", f"weight{member}{flip}"], rows[-1:]))
    nodes.append(helper.make_node("Concat", rows, [FEATURE_ROWS.name], axis=1))
    return _model(
        nodes,
        {PATCHES.name: ("batch", *PATCHES.shape[1:])},
        {FEATURE_ROWS.name: ("batch", FEATURES)},
        {"mirrored": np.arange(PATCHES.shape[3])[::-1].copy(), "groups": np.array([0, -1, WIDTH])}
        | {f"weight{m}{f}": weights[m, f] for m in range(MEMBERS) for f in range(FLIPS)},
    )


def head() -> onnx.ModelProto:
    """Sigmoid of a projection of each row plus its location, as (members, flips, patches); nothing learned of F_agg."""
    block = np.zeros((FEATURES, MEMBERS * FLIPS), np.float32)
    values = np.random.default_rng(100).normal(size=(MEMBERS * FLIPS, WIDTH))
    for column, own in enumerate(values):
        block[column * WIDTH : (column + 1) * WIDTH, column] = own
    return _model(
        [
            helper.make_node("MatMul", [FEATURE_ROWS.name, "projection"], ["columns"]),
            helper.make_node("Transpose", ["columns"], ["rows"], perm=[1, 0]),
            helper.make_node("Reshape", ["rows", "shape"], ["logit"]),
            helper.make_node("Add", ["logit", LOCATION.name], ["moved"]),
            helper.make_node("Sigmoid", ["moved"], [PATCH_PROBABILITY.name]),
            helper.make_node("ReduceMax", [PATCH_PROBABILITY.name], ["largest"], axes=[2], keepdims=0),
            helper.make_node("Mul", ["largest", "none"], ["nothing"]),
            helper.make_node("Sub", ["nothing", "one"], [STUDY_PROBABILITY.name]),
        ],
        {FEATURE_ROWS.name: ("k", FEATURES), LOCATION.name: ("k",)},
        {PATCH_PROBABILITY.name: (MEMBERS, FLIPS, "k"), STUDY_PROBABILITY.name: (MEMBERS, FLIPS)},
        {
            "projection": block,
            "shape": np.array([MEMBERS, FLIPS, -1]),
            "none": np.float32(0),
            "one": np.float32(1),
        },
    )


def _shape(value: onnx.ValueInfoProto) -> list[int | str]:
    return [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim]


def _model(nodes, inputs, outputs, constants) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model
