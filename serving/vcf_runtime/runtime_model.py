# SPDX-License-Identifier: Apache-2.0
"""Tell what the Python-based backends share: a model's configuration read once, and the answer to a batch of requests.

Runs inside Triton's Python stub, which provides ``triton_python_backend_utils``.
"""

import json
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import triton_python_backend_utils as pb_utils
from numpy.typing import DTypeLike, NDArray

from vcf_contract.contract import MOST_ROWS, PATCH_ENCODER, ROWS_A_PASS, SPINAL_CORD_DETECTOR
from vcf_contract.errors import Code, DeadlineExceeded, StudyRefused
from vcf_runtime import admission, deadline, impossible_shapes, parent, received
from vcf_runtime.deadline import key_of
from vcf_runtime.studies import STUDIES
from vcf_runtime.turns import Turns, Work

impossible_shapes.see_as_empty()
parent.end_with_server()

DTYPES: dict[str, DTypeLike] = {
    "TYPE_BOOL": np.bool_,
    "TYPE_UINT8": np.uint8,
    "TYPE_UINT16": np.uint16,
    "TYPE_UINT32": np.uint32,
    "TYPE_UINT64": np.uint64,
    "TYPE_INT8": np.int8,
    "TYPE_INT16": np.int16,
    "TYPE_INT32": np.int32,
    "TYPE_INT64": np.int64,
    "TYPE_FP16": np.float16,
    "TYPE_FP32": np.float32,
    "TYPE_FP64": np.float64,
}
OWN_PARAMETERS = (ROWS_A_PASS, MOST_ROWS)
"""Accepted beside those of the official backends, which ignore them."""
Arrays = dict[str, NDArray[Any]]
Infer = Callable[[Arrays], Arrays]
Execute = Callable[[Sequence[Any], Infer], list[Any]]
Result = TypeVar("Result")
ROWS_BESIDE_URGENT = 4
"""Passes of so many patches take no longer altogether than those of 16, and a quarter of the time each."""


class ConfigError(ValueError):
    """The configuration asks for something that this backend cannot give; the model does not load."""


def _positive(parameters: Mapping[str, str], key: str) -> int | None:
    value = parameters.get(key)
    if value is not None and (not value.isdecimal() or int(value) < 1):
        raise ConfigError(f"the parameter {key!r} must be a number, 1 or more, found {value!r}")
    return value if value is None else int(value)


@dataclass(frozen=True)
class Port:
    """An input or output: as the configuration describes it, or as the network has it. −1 is a free dimension."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]


@dataclass(frozen=True)
class RuntimeModel:
    """A model's configuration as far as a runtime needs it. Shapes include the batch dimension."""

    name: str
    path: Path
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    max_batch_size: int
    parameters: dict[str, str]
    config: dict[str, Any]
    rows_a_pass: int | None = None
    """The most rows of a batch that go through at a time; None is all of them."""
    most_rows: int | None = None
    """The most rows of a request to a model that does not batch; None is any number."""

    @property
    def takes_turns(self) -> bool:
        """Tell whether urgent studies overtake here, not in Triton's queue: the encoder, where it merges none."""
        return self.name == PATCH_ENCODER.name and self.max_batch_size == 0

    @classmethod
    def from_args(cls, args: Mapping[str, str], default_file_name: str) -> "RuntimeModel":
        """Read the arguments of ``TritonPythonModel.initialize``.

        Raises
        ------
        ConfigError
            If the model file is missing or a field asks for what the backend does not do.
        """
        config = json.loads(args["model_config"])
        if args["model_instance_kind"] != "CPU":
            raise ConfigError(f"instance_group has kind {args['model_instance_kind']}; only KIND_CPU is served here")
        for field in ("batch_input", "batch_output", "sequence_batching"):
            if config.get(field):
                raise ConfigError(f"the field {field} is not supported by this backend")
        path = Path(
            args["model_repository"], args["model_version"], config["default_model_filename"] or default_file_name
        )
        if not path.exists():
            raise ConfigError(f"version {args['model_version']} of the model has no file {path.name}")
        batched = config["max_batch_size"] > 0
        parameters = {key: value["string_value"] for key, value in config.get("parameters", {}).items()}
        rows_a_pass = _positive(parameters, ROWS_A_PASS)
        ports = (*config["input"], *config["output"])
        if rows_a_pass and not batched and any(int(entry["dims"][0]) != -1 for entry in ports):
            raise ConfigError(f"the parameter {ROWS_A_PASS!r} is for models with a max_batch_size, or of free rows")
        return cls(
            name=config["name"],
            path=path,
            inputs=tuple(_port(entry, batched) for entry in config["input"]),
            outputs=tuple(_port(entry, batched) for entry in config["output"]),
            max_batch_size=config["max_batch_size"],
            parameters=parameters,
            config=config,
            rows_a_pass=rows_a_pass,
            most_rows=_positive(parameters, MOST_ROWS),
        )

    def check_parameters(self, accepted: Iterable[str], elsewhere: Mapping[str, str]) -> None:
        """Refuse parameters that would be ignored: a typing error would silently change what is served.

        ``elsewhere`` gives, for parameters of the official backend that have no meaning here, the reason.
        """
        accepted = sorted(accepted)
        for key in self.parameters:
            if key in elsewhere:
                raise ConfigError(f"the parameter {key!r} {elsewhere[key]}")
            if key not in accepted:
                raise ConfigError(f"the parameter {key!r} is unknown; accepted are {', '.join(accepted)}")

    def check_network(self, inputs: Sequence[Port], outputs: Sequence[Port]) -> None:
        """Compare the configuration with what the network has.

        Raises
        ------
        ConfigError
            Naming the first tensor that differs, what was found and what is configured.
        """
        _compare("input", self.inputs, inputs, all_needed=True)
        _compare("output", self.outputs, outputs, all_needed=False)


def _port(entry: dict[str, Any], batched: bool) -> Port:
    name = entry["name"]
    if entry.get("reshape") or entry.get("allow_ragged_batch") or entry.get("optional"):
        raise ConfigError(
            f"tensor {name!r}: reshape, allow_ragged_batch and optional are not supported by this backend"
        )
    if entry["data_type"] not in DTYPES:
        raise ConfigError(f"tensor {name!r} has {entry['data_type']}; accepted are {', '.join(DTYPES)}")
    dims = tuple(int(size) for size in entry["dims"])
    return Port(name, np.dtype(DTYPES[entry["data_type"]]), (-1, *dims) if batched else dims)


def _compare(kind: str, configured: Sequence[Port], found: Sequence[Port], *, all_needed: bool) -> None:
    network = {port.name: port for port in found}
    for port in configured:
        there = network.pop(port.name, None)
        if there is None:
            names = ", ".join(sorted(p.name for p in found))
            raise ConfigError(f"the network has no {kind} {port.name!r}; it has {names}")
        if there.dtype != port.dtype:
            raise ConfigError(
                f"{kind} {port.name!r} is {there.dtype} in the network, {port.dtype} in the configuration"
            )
        if not _fits(port, there, exact=kind == "input"):
            raise ConfigError(
                f"{kind} {port.name!r} has shape {list(there.shape)} in the network, {list(port.shape)} in the "
                "configuration (with the batch dimension, if max_batch_size > 0)"
            )
    if all_needed and network:
        raise ConfigError(f"the network's {kind} {min(network)!r} is not in the configuration")


def _fits(configured: Port, network: Port, *, exact: bool) -> bool:
    """Tell whether all that the configuration lets in or promises is possible; of an output less may be known."""
    return len(configured.shape) == len(network.shape) and all(
        there in (-1, here) or (here == -1 and not exact)
        for here, there in zip(configured.shape, network.shape, strict=True)
    )


def answering(model: RuntimeModel) -> Execute:
    """Return what answers the requests that Triton hands over together: `answer`, by `Turns` where it has to be."""
    if not model.takes_turns:
        return partial(answer, model)
    turns = Turns(STUDIES)
    return lambda requests, infer: [turns.answer(request, _by_passes(model, request, infer)) for request in requests]


def _rows_a_pass(model: RuntimeModel, request_id: str) -> int | None:
    """Few while an urgent study is on its way, which waits for the end of a pass; its own need not be short."""
    urgent = STUDIES.urgent() if model.takes_turns else {}
    if not urgent or (request_id and key_of(request_id) in urgent):
        return model.rows_a_pass
    return min(ROWS_BESIDE_URGENT, model.rows_a_pass or ROWS_BESIDE_URGENT)


def answer(model: RuntimeModel, requests: Sequence[Any], infer: Infer) -> list[Any]:
    """One response a request. The requests of a batching model go through the network together.

    If the merged inference fails, each request is tried alone, so that only those at fault get an error. Those whose
    deadline has passed take no part.
    """
    if model.name == SPINAL_CORD_DETECTOR.name:  # no other step of a study in a crop sees that it has come
        for request in requests:
            STUDIES.waits(key_of(request.request_id()))
    if late := {number: error for number, request in enumerate(requests) if (error := _late(model, request))}:
        answers = iter(answer(model, [r for number, r in enumerate(requests) if number not in late], infer))
        return [late[number] if number in late else next(answers) for number in range(len(requests))]
    if model.max_batch_size > 0 and len(requests) > 1:
        try:
            return _together(model, requests, infer)
        except Exception:  # whatever the runtime raises; the ones at fault will raise it again alone
            pass
    return [_whole(_alone(model, request, infer)) for request in requests]


def _by_passes(model: RuntimeModel, request: Any, infer: Infer) -> Work:
    """Answer one request as `answer` does, but give way between two passes."""
    late = _late(model, request)
    return late if late is not None else (yield from _alone(model, request, infer))


def _whole(work: Generator[None, None, Result]) -> Result:
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: Result = end.value
            return result


def _late(model: RuntimeModel, request: Any) -> Any:
    try:
        deadline.check(request, model.name)
    except DeadlineExceeded as error:
        admission.fail(request)
        return pb_utils.InferenceResponse(error=pb_utils.TritonError(str(error), pb_utils.TritonError.CANCELLED))
    except StudyRefused as refused:
        return _refusal(refused)
    return None


def _together(model: RuntimeModel, requests: Sequence[Any], infer: Infer) -> list[Any]:
    each = [_inputs(model, request) for request in requests]
    merged = {port.name: np.concatenate([inputs[port.name] for inputs in each]) for port in model.inputs}
    outputs = _whole(_in_passes(model, merged, infer))
    ends = np.cumsum([len(inputs[model.inputs[0].name]) for inputs in each])
    _check_rows(outputs, int(ends[-1]))
    rows = [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]
    return [
        _response(request, {name: output[part] for name, output in outputs.items()})
        for request, part in zip(requests, rows, strict=True)
    ]


def _in_passes(
    model: RuntimeModel, inputs: Arrays, infer: Infer, request_id: str = ""
) -> Generator[None, None, Arrays]:
    rows = len(inputs[model.inputs[0].name])
    most = _rows_a_pass(model, request_id) or rows
    if rows <= most:
        return infer(inputs)
    passes: list[Arrays] = []
    start = 0
    while start < rows:
        part = {name: array[start : start + most] for name, array in inputs.items()}
        passes.append(infer(part))
        _check_rows(passes[-1], min(most, rows - start))
        start += most
        if start < rows:
            yield
            most = _rows_a_pass(model, request_id) or rows
    return {port.name: np.concatenate([outputs[port.name] for outputs in passes]) for port in model.outputs}


def _check_rows(outputs: Arrays, rows: int) -> None:
    for name, output in outputs.items():
        if output.shape[:1] != (rows,):
            raise RuntimeError(f"output {name!r} has shape {list(output.shape)} for a batch of {rows}")


def _alone(model: RuntimeModel, request: Any, infer: Infer) -> Work:
    try:
        outputs = yield from _in_passes(model, _inputs(model, request), infer, request.request_id())
        return _response(request, outputs)
    except StudyRefused as refused:
        admission.fail(request)
        return _refusal(refused)
    except Exception as error:
        admission.fail(request)
        reason = str(error).strip().splitlines()
        text = f"model {model.name!r} failed: {reason[0] if reason else type(error).__name__}"
        return pb_utils.InferenceResponse(error=pb_utils.TritonError(text, pb_utils.TritonError.INTERNAL))


def _refusal(refused: StudyRefused) -> Any:
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(str(refused), pb_utils.TritonError.INVALID_ARG))


def _inputs(model: RuntimeModel, request: Any) -> Arrays:
    """Views of the request's tensors in shared memory; nothing is copied. StudyRefused for what no network is given."""
    inputs = {port.name: pb_utils.get_input_tensor_by_name(request, port.name).as_numpy() for port in model.inputs}
    received.check_network(model.name, inputs, batched=model.max_batch_size > 0 or model.most_rows is not None)
    rows = len(inputs[model.inputs[0].name])
    if model.most_rows is not None and not 1 <= rows <= model.most_rows:
        raise StudyRefused(Code.BAD_INPUT, f"{model.name} takes 1 to {model.most_rows} rows, not {rows}")
    return inputs


def _response(request: Any, outputs: Arrays) -> Any:
    """StudyRefused if what came out is no number: so it is with inputs that are finite and far beyond any study's."""
    for name, output in outputs.items():
        received.check_numbers(f"with these inputs {name}", output)
    wanted = set(request.requested_output_names())
    return pb_utils.InferenceResponse(
        [pb_utils.Tensor(name, np.ascontiguousarray(output)) for name, output in outputs.items() if name in wanted]
    )
