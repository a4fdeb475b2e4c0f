# SPDX-License-Identifier: Apache-2.0
"""Keras → ONNX: every network as ``<repository>/<network>/1/model.onnx``, the same bytes for the same weights."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import onnx
import tensorflow as tf
import tf2onnx

from export.canonical import OPSET, Dim, canonical
from export.passport import record
from training.store import Networks
from vcf.contract import FEATURE_ROWS, LOCATION, NETWORKS, PATCH_PROBABILITY, Model

VERSION = "1"
BATCH = "batch"
HEAD_DIMENSIONS = {
    FEATURE_ROWS.name: ("rows",),
    LOCATION.name: ("patches",),
    PATCH_PROBABILITY.name: ("flips", "patches"),
}
"""Names of what varies in F_seq, whose dimension 0 is no batch; rows = flips × patches."""


def graph_shapes(model: Model) -> dict[str, tuple[Dim, ...]]:
    """Shapes of a network's inputs and outputs in the exported graph; what varies has a name.

    Raises:
        ValueError: the contract has a varying dimension that has no name here.
    """
    shapes: dict[str, tuple[Dim, ...]] = {}
    for tensor in (*model.inputs, *model.outputs):
        names = iter(() if model.max_batch_size else HEAD_DIMENSIONS[tensor.name])
        batch = (BATCH,) if model.max_batch_size else ()
        try:
            shapes[tensor.name] = (*batch, *(next(names) if d < 0 else d for d in tensor.shape))
        except StopIteration:
            raise ValueError(f"{tensor.name} of {model.name}: no name for a varying dimension") from None
    return shapes


def to_onnx(network: keras.Model, description: Model) -> onnx.ModelProto:
    """Convert one network in its served form, and check it against its description in the contract."""
    signature = [tf.TensorSpec(i.shape, i.dtype, name=i.name) for i in network.inputs]
    converted, _ = tf2onnx.convert.from_keras(network, input_signature=signature, opset=OPSET)
    return canonical(converted, graph_shapes(description))


def weights_sha256(network: keras.Model) -> str:
    """Hash of all weights, in the order of the layers: of what was trained, whatever becomes of it later."""
    digest = hashlib.sha256()
    for weight in network.get_weights():
        digest.update(f"{weight.dtype.str} {weight.shape} ".encode() + weight.tobytes())
    return digest.hexdigest()


def export_networks(
    networks: Networks, repository: Path, report: Callable[[str, Path], None] = lambda *_: None
) -> dict[str, Path]:
    """Write every network's ``model.onnx`` with its passport below ``repository``; the paths by network name.

    A file is replaced in one step, so that a server that polls the repository never reads half of one.
    """
    models = networks.by_name()
    paths = {}
    for description in NETWORKS:
        path = repository / description.name / VERSION / "model.onnx"
        content = to_onnx(models[description.name], description).SerializeToString(deterministic=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".onnx.part")
        fresh.write_bytes(content)
        fresh.replace(path)
        shapes = {name: list(shape) for name, shape in graph_shapes(description).items()}
        record(path, weights_sha256=weights_sha256(models[description.name]), precision="fp32", shapes=shapes)
        paths[description.name] = path
        report(description.name, path)
    return paths
