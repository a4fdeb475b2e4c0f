# SPDX-License-Identifier: Apache-2.0
"""The networks of a form in this process, called like the Keras models: same files, same runtimes as when served."""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.config import CPU_BF16, network_runtime
from vcf.contract import ENCODERS, HEADS, MEMBERS, SPINAL_CORD_DETECTOR, Model
from vcf.errors import SetupError

# OpenVINO and ONNX Runtime report to their vendors' servers unless told not to. Medical software does not.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

Array = NDArray[np.float32]
Call = Callable[[Any], Array]


@dataclass(frozen=True)
class Runtimes:
    """As ``training.store.Networks``: ``detector`` and ``encoders`` take one input, ``heads`` a list of theirs."""

    detector: Call
    encoders: dict[str, Call]
    heads: dict[str, Call]
    files: tuple[Path, ...]
    """What was loaded."""


def load(repository: Path, form: str) -> Runtimes:
    """All networks of a CPU form.

    Raises:
        SetupError: a file of the form is missing, or the processor cannot compute in its precision.
    """
    if form == CPU_BF16 and not has_bfloat16():
        raise SetupError("this processor has no bfloat16 units, OpenVINO would compute in float32")
    files = {}
    for model in (SPINAL_CORD_DETECTOR, *ENCODERS, *HEADS):
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

    return Runtimes(
        call(SPINAL_CORD_DETECTOR),
        {m: call(model) for m, model in zip(MEMBERS, ENCODERS, strict=True)},
        {m: call(model) for m, model in zip(MEMBERS, HEADS, strict=True)},
        tuple(files.values()),
    )


def has_bfloat16() -> bool:
    """Whether OpenVINO computes in bfloat16 here when it is asked to; otherwise it takes float32 without a word."""
    import openvino

    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _openvino(path: Path, model: Model, parameters: dict[str, str]) -> Callable[[dict[str, Array]], Array]:
    import openvino

    core = openvino.Core()
    properties = {
        "INFERENCE_PRECISION_HINT": "bf16" if "HINT_BF16" in parameters else "f32",
        "NUM_STREAMS": parameters["NUM_STREAMS"],
        "PERFORMANCE_HINT": parameters["PERFORMANCE_HINT"],
    }
    request = core.compile_model(core.read_model(path), "CPU", properties).create_infer_request()
    output = model.outputs[0].name
    return lambda feed: np.array(request.infer(feed)[output])


def _onnxruntime(path: Path, model: Model, parameters: dict[str, str]) -> Callable[[dict[str, Array]], Array]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(parameters["intra_op_thread_count"])
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    output = model.outputs[0].name

    def run(feed: dict[str, Array]) -> Array:
        answer: Array = session.run([output], feed)[0]
        return answer

    return run
