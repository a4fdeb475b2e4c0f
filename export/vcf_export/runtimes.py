# SPDX-License-Identifier: Apache-2.0
"""The networks of a form in this process, called like the Keras models: same files, same runtimes as when served."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import openvino
from numpy.typing import NDArray

from vcf_contract.contract import FRACTURE_FINDINGS, NETWORKS, Model
from vcf_contract.errors import SetupError
from vcf_export.config import CPU_BF16, network_runtime
from vcf_preprocess.aggregate import Aggregation
from vcf_runtime import operating_point

Array = NDArray[np.float32]
Call = Callable[[Any], Any]
"""One array of inputs or a list of them, to one output or a list of them."""


@dataclass(frozen=True)
class Runtimes:
    """The networks of a form, used like ``vcf_training.store.Networks``: detector and encoder take one input, the
    head a list and gives a list."""

    detector: Call
    patch_encoder: Call
    sequence_head: Call
    aggregation: Aggregation
    files: tuple[Path, ...]
    """What was loaded."""


def load(repository: Path, form: str) -> Runtimes:
    """Return all networks of a CPU form.

    Raises
    ------
    SetupError
        A file of the form is missing, or the processor cannot compute in its precision.
    """
    if form == CPU_BF16 and not has_bfloat16():
        raise SetupError("this processor has no bfloat16 units, OpenVINO would compute in float32")
    files = {}
    for model in NETWORKS:
        files[model.name] = path = repository / model.name / "1" / network_runtime(model, form).file_name
        if not path.is_file():
            made_by = "`vcf export openvino`" if path.suffix == ".xml" else "`vcf export onnx`"
            raise SetupError(f"no {model.name}/1/{path.name} in {repository}: run {made_by} first")

    def call(model: Model) -> Call:
        runtime = network_runtime(model, form)
        names = [tensor.name for tensor in model.inputs]
        made = _openvino if runtime.backend == "openvino" else _onnxruntime
        run = made(files[model.name], model, dict(runtime.parameters))
        return lambda given: run(dict(zip(names, given if isinstance(given, Sequence) else [given], strict=True)))

    point = operating_point.read(repository, "1", FRACTURE_FINDINGS.name)
    detector, encoder, head = map(call, NETWORKS)
    return Runtimes(detector, encoder, head, point.aggregation, tuple(files.values()))


def has_bfloat16() -> bool:
    """Return whether OpenVINO computes in bfloat16 here if asked to; otherwise it takes float32 without a word."""
    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _openvino(path: Path, model: Model, parameters: dict[str, str]) -> Callable[[dict[str, Array]], Any]:
    core = openvino.Core()
    properties = {
        "INFERENCE_PRECISION_HINT": "bf16" if "HINT_BF16" in parameters else "f32",
        "NUM_STREAMS": parameters["NUM_STREAMS"],
        "PERFORMANCE_HINT": parameters["PERFORMANCE_HINT"],
    }
    request = core.compile_model(core.read_model(path), "CPU", properties).create_infer_request()

    def run(feed: dict[str, Array]) -> Any:
        found = request.infer(feed)
        return _one_or_all([np.array(found[tensor.name]) for tensor in model.outputs])

    return run


def _onnxruntime(path: Path, model: Model, parameters: dict[str, str]) -> Callable[[dict[str, Array]], Any]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(parameters["intra_op_thread_count"])
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    outputs = [tensor.name for tensor in model.outputs]
    return lambda feed: _one_or_all(session.run(outputs, feed))


def _one_or_all(outputs: list[Array]) -> Any:
    return outputs[0] if len(outputs) == 1 else outputs
