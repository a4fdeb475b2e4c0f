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

from vcf_contract.contract import NETWORKS, Model
from vcf_export.canonical import OPSET, Dim, canonical
from vcf_export.passport_writer import record
from vcf_training.store import Networks

VERSION = "1"
VARYING = {True: "batch", False: "patches"}
"""Name of the one dimension that varies in a network that batches, and in one that takes a whole study."""


def graph_shapes(network: keras.Model, description: Model) -> dict[str, tuple[Dim, ...]]:
    """Shapes of a network's inputs and outputs in the exported graph; what varies has a name.

    Raises
    ------
    ValueError
        The network's tensors are not those of its description.
    """
    batches = description.max_batch_size > 0
    tensors = zip(
        (*network.inputs, *network.outputs),
        (*(tensor.name for tensor in network.inputs), *network.output_names),
        (*description.inputs, *description.outputs),
        strict=True,
    )
    shapes: dict[str, tuple[Dim, ...]] = {}
    for found, name, described in tensors:
        wanted = (-1, *described.shape) if batches else described.shape
        if name != described.name or not _fits(tuple(found.shape), wanted):
            raise ValueError(f"{network.name} has {name} {tuple(found.shape)}, needed is {described.name} {wanted}")
        shapes[described.name] = tuple(VARYING[batches] if size is None else size for size in found.shape)
    return shapes


def _fits(found: tuple[int | None, ...], wanted: tuple[int, ...]) -> bool:
    return len(found) == len(wanted) and all(w in (-1, f) for f, w in zip(found, wanted, strict=True))


def to_onnx(network: keras.Model, description: Model) -> onnx.ModelProto:
    """Convert one network in its served form, and check it against its description in the contract."""
    signature = [tf.TensorSpec(i.shape, i.dtype, name=i.name) for i in network.inputs]
    converted, _ = tf2onnx.convert.from_keras(network, input_signature=signature, opset=OPSET)
    return canonical(converted, graph_shapes(network, description))


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
        shapes = {name: list(shape) for name, shape in graph_shapes(models[description.name], description).items()}
        record(path, weights_sha256=weights_sha256(models[description.name]), precision="fp32", shapes=shapes)
        paths[description.name] = path
        report(description.name, path)
    return paths
