# SPDX-License-Identifier: Apache-2.0
"""Tell what a request holds, checked against the contract before anything is made of it.

Every model of the repository can be called by itself, and Triton checks types and fixed axes alone: how long a free
axis may be, and what its numbers may be, is checked here.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcf_contract.contract import MODELS, Model, Tensor
from vcf_contract.errors import Code, StudyRefused

_ROUNDING = 1e-3
"""How far beyond its limits a value may lie: it was windowed or divided in float32, or in less precision."""
_BY_NAME: Mapping[str, Model] = {model.name: model for model in MODELS}


def check(tensor: Tensor, array: NDArray[Any], *, batched: bool = False) -> None:
    """Check one input; ``batched`` where it has Triton's batch dimension before the axes of the contract.

    Raises
    ------
    StudyRefused
        ``BAD_INPUT``.
    """
    shape = array.shape[batched:]
    fits = len(shape) == len(tensor.shape) and all(
        size == wanted or (wanted == -1 and (tensor.most is None or size <= tensor.most))
        for size, wanted in zip(shape, tensor.shape, strict=True)
    )
    if not fits:
        most = "" if tensor.most is None else f" with at most {tensor.most} for each -1"
        raise _refused(f"{tensor.name} has shape {list(shape)}, needed is {list(tensor.shape)}{most}")
    check_numbers(tensor.name, array, tensor.values)


def check_numbers(name: str, array: NDArray[Any], limits: tuple[float, float] | None = None) -> None:
    """Refuse what is not finite or lies beyond the limits; text and integers pass.

    The smallest and the largest value tell: both are NaN if any is.
    """
    if array.dtype.kind != "f" or not array.size:
        return
    low, high = float(array.min()), float(array.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise _refused(f"{name} holds NaN or infinity, needed are finite numbers")
    if limits and not (limits[0] - _ROUNDING <= low and high <= limits[1] + _ROUNDING):
        raise _refused(
            f"{name} holds numbers from {low:g} to {high:g}, needed are those from {limits[0]:g} to {limits[1]:g}"
        )


def check_network(name: str, arrays: Mapping[str, NDArray[Any]], *, batched: bool) -> None:
    """Check the inputs of a network: by the contract if the model is one of it, otherwise for finite numbers alone.

    Raises
    ------
    StudyRefused
        ``BAD_INPUT``.
    """
    model = _BY_NAME.get(name)
    if model is None:
        for tensor_name, array in arrays.items():
            check_numbers(tensor_name, array)
        return
    for tensor in model.inputs:
        check(tensor, arrays[tensor.name], batched=batched)
    if model.same_rows:
        _check_rows(model, [len(arrays[tensor.name]) for tensor in model.inputs])


def _check_rows(model: Model, rows: Sequence[int]) -> None:
    if len(set(rows)) > 1 or rows[0] < 1:
        names = " and ".join(tensor.name for tensor in model.inputs)
        raise _refused(f"{names} have {' and '.join(map(str, rows))} rows, needed are one or more, as many of each")


def _refused(sentence: str) -> StudyRefused:
    return StudyRefused(Code.BAD_INPUT, sentence)
