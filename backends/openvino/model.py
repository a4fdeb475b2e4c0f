# SPDX-License-Identifier: Apache-2.0
"""Triton's OpenVINO backend for servers that do not carry it: same configuration, same parameters, Python inside.

Differences from the official backend: the precision is float32 unless ``HINT_BF16`` asks for bfloat16 (there, the
CPU decides); batches smaller than ``max_batch_size`` run at their own size (there, they are refused or, with
``ENABLE_BATCH_PADDING``, padded to it); unknown parameters are refused (there, ignored).
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from vcf_contract import telemetry
from vcf_runtime import niceness
from vcf_runtime.runtime_model import OWN_PARAMETERS, Arrays, ConfigError, Port, RuntimeModel, answering

telemetry.switch_off()

import openvino  # noqa: E402

DTYPES = {
    "boolean": np.bool_,
    "u8": np.uint8,
    "u16": np.uint16,
    "u32": np.uint32,
    "u64": np.uint64,
    "i8": np.int8,
    "i16": np.int16,
    "i32": np.int32,
    "i64": np.int64,
    "f16": np.float16,
    "f32": np.float32,
    "f64": np.float64,
}


def _count(key: str, value: str) -> int:
    if not value.isdecimal():
        raise ConfigError(f"the parameter {key!r} must be a number, 0 or more, found {value!r}")
    return int(value)


def _streams(key: str, value: str) -> str | int:
    return value.upper() if value.upper() in ("AUTO", "NUMA") else _count(key, value)


def _one_of(*accepted: str) -> Callable[[str, str], str]:
    def read(key: str, value: str) -> str:
        if value.upper() not in accepted:
            raise ConfigError(f"the parameter {key!r} must be {' or '.join(accepted)}, found {value!r}")
        return value.upper()

    return read


PROPERTIES: Mapping[str, Callable[[str, str], str | int]] = {
    "INFERENCE_NUM_THREADS": _count,
    "COMPILATION_NUM_THREADS": _count,
    "NUM_STREAMS": _streams,
    "PERFORMANCE_HINT": _one_of("LATENCY", "THROUGHPUT", "CUMULATIVE_THROUGHPUT"),
}
"""Parameters that are OpenVINO properties of the same name."""
SWITCHES = {
    "HINT_BF16": _one_of("YES"),
    "RESHAPE_IO_LAYERS": _one_of("YES", "NO"),
    # Both are about fixed batch sizes, which this backend does not need.
    "ENABLE_BATCH_PADDING": _one_of("YES", "NO"),
    "SKIP_OV_DYNAMIC_BATCHSIZE": _one_of("YES", "NO"),
    "TARGET_DEVICE": _one_of("CPU"),
}
ELSEWHERE = {"CPU_EXTENSION_PATH": "loads native code, which this backend does not do"}


def properties(parameters: Mapping[str, str]) -> dict[str, Any]:
    """OpenVINO's properties for the parameters of a configuration."""
    found: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": "f32",
        # Every instance is a process of its own; pinned, they would all sit on the same cores.
        "ENABLE_CPU_PINNING": False,
    }
    for key, value in parameters.items():
        if key in PROPERTIES:
            found[key] = PROPERTIES[key](key, value)
        elif key not in OWN_PARAMETERS:
            SWITCHES[key](key, value)
    if "HINT_BF16" in parameters:
        found["INFERENCE_PRECISION_HINT"] = "bf16"
    return found


class TritonPythonModel:
    """One instance of a model, as Triton's Python backend drives it."""

    def initialize(self, args: Mapping[str, str]) -> None:
        """Read, check and compile the network; a `ConfigError` keeps the model from loading."""
        niceness.come_after()
        self.model = RuntimeModel.from_args(args, "model.xml")
        self.model.check_parameters([*PROPERTIES, *SWITCHES, *OWN_PARAMETERS], ELSEWHERE)
        compile_properties = properties(self.model.parameters)
        core = openvino.Core()
        network = core.read_model(self.model.path)
        if self.model.parameters.get("RESHAPE_IO_LAYERS", "NO").upper() == "YES":
            network.reshape({port.name: openvino.PartialShape(list(port.shape)) for port in self.model.inputs})
        self.model.check_network(_ports(network.inputs), _ports(network.outputs))
        self.request = core.compile_model(network, "CPU", compile_properties).create_infer_request()
        self._answer = answering(self.model)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer the requests that Triton's batcher put together."""
        return self._answer(requests, self._infer)

    def _infer(self, inputs: Arrays) -> Arrays:
        outputs = self.request.infer(inputs, share_inputs=True)
        return {port.name: outputs[port.name] for port in self.model.outputs}


def _ports(found: Any) -> list[Port]:
    ports = []
    for port in found:
        element = port.get_element_type().get_type_name()
        if element not in DTYPES:
            raise ConfigError(f"tensor {port.get_any_name()!r} of the network has type {element}, which Triton lacks")
        shape = tuple(-1 if size.is_dynamic else size.get_length() for size in port.get_partial_shape())
        # A tensor of several names is found by any of them.
        ports += [Port(name, np.dtype(DTYPES[element]), shape) for name in sorted(port.get_names())]
    return ports
