# SPDX-License-Identifier: Apache-2.0
"""Triton's ONNX Runtime backend for servers that do not carry it: same configuration, same parameters, Python inside.

Runs on the CPU provider only. Differences from the official backend: unknown parameters are refused (there, ignored).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from vcf_contract import telemetry
from vcf_runtime import niceness
from vcf_runtime.runtime_model import OWN_PARAMETERS, Arrays, ConfigError, Port, RuntimeModel, answering

telemetry.switch_off()

import onnxruntime  # noqa: E402

DTYPES = {
    "tensor(bool)": np.bool_,
    "tensor(uint8)": np.uint8,
    "tensor(uint16)": np.uint16,
    "tensor(uint32)": np.uint32,
    "tensor(uint64)": np.uint64,
    "tensor(int8)": np.int8,
    "tensor(int16)": np.int16,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(float16)": np.float16,
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
}
ARENA_SHRINKAGE = "memory.enable_memory_arena_shrinkage"
PARAMETERS = (
    "intra_op_thread_count",
    "inter_op_thread_count",
    "execution_mode",
    "enable_mem_arena",
    "enable_mem_pattern",
    "share_session_between_instances",  # here every instance is a process of its own, and nothing can be shared
    ARENA_SHRINKAGE,
    *OWN_PARAMETERS,
)
CUDA_PARAMETERS = ("cudnn_conv_algo_search", "gpu_mem_limit", "arena_extend_strategy", "do_copy_in_default_stream")
ELSEWHERE = dict.fromkeys(CUDA_PARAMETERS, "is for the CUDA provider, and this backend runs on the CPU")
GRAPH_LEVELS = {
    -1: onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    0: onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
    1: onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    2: onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
}
EXECUTION_MODES = {
    0: onnxruntime.ExecutionMode.ORT_SEQUENTIAL,
    1: onnxruntime.ExecutionMode.ORT_PARALLEL,
}


def _count(parameters: Mapping[str, str], key: str) -> int:
    value = parameters.get(key, "0")
    if not value.isdecimal():
        raise ConfigError(f"the parameter {key!r} must be a number, 0 or more, found {value!r}")
    return int(value)


def _switch(parameters: Mapping[str, str], key: str) -> bool:
    value = parameters.get(key, "1").lower()
    if value not in ("0", "1", "false", "true"):
        raise ConfigError(f"the parameter {key!r} must be 0 or 1, found {value!r}")
    return value in ("1", "true")


def session_options(config: Mapping[str, Any], parameters: Mapping[str, str]) -> Any:
    """``SessionOptions`` for a configuration; 0 threads leaves the choice to the runtime."""
    optimization = config.get("optimization") or {}
    if any((optimization.get("execution_accelerators") or {}).values()):
        raise ConfigError("optimization.execution_accelerators is set, and this backend has the CPU provider only")
    level = int((optimization.get("graph") or {}).get("level", 0))
    if level not in GRAPH_LEVELS:
        raise ConfigError(f"optimization.graph.level must be one of {sorted(GRAPH_LEVELS)}, found {level}")
    mode = _count(parameters, "execution_mode")
    if mode not in EXECUTION_MODES:
        raise ConfigError(f"the parameter 'execution_mode' must be 0 or 1, found {mode}")
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = GRAPH_LEVELS[level]
    options.execution_mode = EXECUTION_MODES[mode]
    options.intra_op_num_threads = _count(parameters, "intra_op_thread_count")
    options.inter_op_num_threads = _count(parameters, "inter_op_thread_count")
    options.enable_cpu_mem_arena = _switch(parameters, "enable_mem_arena")
    options.enable_mem_pattern = _switch(parameters, "enable_mem_pattern")
    return options


class TritonPythonModel:
    """One instance of a model, as Triton's Python backend drives it."""

    def initialize(self, args: Mapping[str, str]) -> None:
        """Read, check and load the network; a `ConfigError` keeps the model from loading."""
        niceness.come_after()
        self.model = RuntimeModel.from_args(args, "model.onnx")
        self.model.check_parameters(PARAMETERS, ELSEWHERE)
        options = session_options(self.model.config, self.model.parameters)
        self.session = onnxruntime.InferenceSession(str(self.model.path), options, providers=["CPUExecutionProvider"])
        self.model.check_network(_ports(self.session.get_inputs()), _ports(self.session.get_outputs()))
        self.run_options = onnxruntime.RunOptions()
        if ARENA_SHRINKAGE in self.model.parameters:
            self.run_options.add_run_config_entry(ARENA_SHRINKAGE, self.model.parameters[ARENA_SHRINKAGE])
        self._answer = answering(self.model)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer the requests that Triton's batcher put together."""
        return self._answer(requests, self._infer)

    def _infer(self, inputs: Arrays) -> Arrays:
        names = [port.name for port in self.model.outputs]
        return dict(zip(names, self.session.run(names, inputs, self.run_options), strict=True))


def _ports(found: Any) -> list[Port]:
    ports = []
    for port in found:
        if port.type not in DTYPES:
            raise ConfigError(f"tensor {port.name!r} of the network has type {port.type}, which Triton lacks")
        shape = tuple(size if isinstance(size, int) else -1 for size in port.shape)
        ports.append(Port(port.name, np.dtype(DTYPES[port.type]), shape))
    return ports
