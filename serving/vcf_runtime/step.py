# SPDX-License-Identifier: Apache-2.0
"""Tell what the Python models of the repository share: tensors in and out by the contract, and how a step fails.

Runs inside Triton's Python stub, which provides ``triton_python_backend_utils``.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from numpy.typing import ArrayLike, DTypeLike, NDArray

from vcf_contract.contract import CLOCK, Model, Tensor
from vcf_contract.errors import Code, DeadlineExceeded, ServerUnavailable, StudyRefused
from vcf_runtime import admission, impossible_shapes, parent, received
from vcf_runtime.admission import Visit

impossible_shapes.see_as_empty()
parent.end_with_server()

NUMPY: Mapping[str, DTypeLike] = {
    "FP32": np.float32,
    "FP64": np.float64,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "BYTES": np.object_,
}
Work = Callable[..., Mapping[str, ArrayLike]]


def answer(model: Model, requests: Sequence[Any], work: Work, *, with_parameters: bool = False) -> list[Any]:
    """One response a request: ``work`` gets the inputs in the contract's order (None for an optional one
    that is not there) and returns the outputs by name.

    ``with_parameters`` hands it the request's parameters as a mapping of that name, too.

    A study whose deadline has passed is not worked on (``CANCELLED``); the step that no clock reaches is the one where
    it begins, and where it is counted. A refusal becomes ``INVALID_ARGUMENT`` with the text ``CODE: sentence``, one for
    load ``UNAVAILABLE``; anything else that goes wrong is ``INTERNAL`` with its type and its lines of code, which go to
    the log too.
    """
    return [_answer(model, request, work, with_parameters) for request in requests]


def _answer(model: Model, request: Any, work: Work, with_parameters: bool) -> Any:
    visit: Visit | None = None

    def of_study(inputs: Sequence[Any]) -> Mapping[str, ArrayLike]:
        nonlocal visit
        clocks = [array for array, tensor in zip(inputs, model.inputs, strict=True) if tensor.name == CLOCK.name]
        visit = Visit(model, request, clocks)
        visit.begin(request)
        extra = {"parameters": json.loads(request.parameters() or "{}")} if with_parameters else {}
        outputs = work(*inputs, **extra)
        marks = next((outputs[name] for name in clock_names if name in outputs), None)
        visit.done(None if marks is None else int(np.ravel(marks)[0]))
        return outputs

    clock_names = [tensor.name for tensor in model.outputs if tensor.meaning == CLOCK.meaning]
    response = respond(model, request, of_study)
    if response.has_error():
        (visit.failed if visit else partial(admission.fail, request))()
    return response


def respond(model: Model, request: Any, work: Callable[[Sequence[Any]], Mapping[str, ArrayLike]]) -> Any:
    """The response of any Python model to one request: ``work`` gets all inputs and returns the outputs by name."""
    try:
        inputs = [_input(request, tensor) for tensor in model.inputs]
        outputs = work(inputs)
        wanted = set(request.requested_output_names())
        return pb_utils.InferenceResponse(
            [
                pb_utils.Tensor(tensor.name, _array(outputs[tensor.name], NUMPY[tensor.dtype]))
                for tensor in model.outputs
                if tensor.name in wanted
            ]
        )
    except DeadlineExceeded as late:
        return _error(str(late), pb_utils.TritonError.CANCELLED)
    except StudyRefused as refused:
        return _error(str(refused), pb_utils.TritonError.INVALID_ARG)
    except ServerUnavailable as error:
        return _error(str(error), pb_utils.TritonError.UNAVAILABLE)
    except Exception as error:
        failed = f"{model.name} failed: {_where(error)}"
        pb_utils.Logger.log_error(failed)
        return _error(failed, pb_utils.TritonError.INTERNAL)


def _input(request: Any, tensor: Tensor) -> NDArray[Any] | None:
    """A view of the tensor in shared memory; None for an optional one that was left out."""
    found = pb_utils.get_input_tensor_by_name(request, tensor.name)
    if found is None and tensor.optional:
        return None
    if found is None:  # Triton counts inputs, and takes one that is named twice, or is optional, for it
        raise StudyRefused(Code.BAD_INPUT, f"{tensor.name} is missing, needed are all inputs of the model")
    array: NDArray[Any] = found.as_numpy()
    received.check(tensor, array)
    return array


def _array(value: ArrayLike, dtype: DTypeLike) -> NDArray[Any]:
    return np.ascontiguousarray(value, dtype)


def _error(text: str, code: int) -> Any:
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(text, code))


def _where(error: BaseException) -> str:
    """Type and lines of code, without the text: an exception's text may repeat its input."""
    lines = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        lines.append(f"{code.co_qualname}:{trace.tb_lineno}" if hasattr(code, "co_qualname") else code.co_name)
        trace = trace.tb_next
    return f"{type(error).__name__} at {' > '.join(lines)}"
