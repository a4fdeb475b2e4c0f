# SPDX-License-Identifier: Apache-2.0
"""Requests that a program could send to any model: most fit the contract in all but one way, some in none."""

import math
import struct
from dataclasses import dataclass, field

from hypothesis import strategies as st
from tritonclient.grpc import service_pb2 as kserve

from vcf_contract.contract import AGE_POLICY, ENSEMBLES, FEATURE_ROWS, MODELS, Ensemble, Model, Tensor

ITEM_BYTES = {"FP32": 4, "FP64": 8, "INT16": 2, "INT32": 4, "INT64": 8, "UINT8": 1, "BOOL": 1}
FORMATS = {"FP32": "f", "FP64": "d", "INT16": "h", "INT32": "i", "INT64": "q"}
MOST_BYTES = 1 << 21
"""Of one tensor: larger ones are another drill's."""
_NUMBERS = {
    "f": (0.0, 1.0, -1.0, 0.5, 3.0, 1e-30, 1e30, 3.4e38, math.inf, -math.inf, math.nan),
    "d": (0.0, 1.0, -1.0, 1e308, math.inf, math.nan),
    "h": (0, 1, -1, 40, 300, 32767, -32768),
    "i": (0, 1, -1, 30, 64, 2**31 - 1, -(2**31)),
    "q": (0, 1, -1, 2**63 - 1, -(2**63)),
}
UNITS: tuple[Model | Ensemble, ...] = (*ENSEMBLES, *MODELS)
_SIZES = st.sampled_from((0, 1, 2, 3, 16, 60, 64, 65, 300))
_ODD_SIZES = st.sampled_from((-1, 0, 2**31, 2**32, 2**61, 2**62, 2**63 - 1))


@dataclass(frozen=True)
class Sent:
    """One tensor as it goes out."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    content: bytes = field(repr=False)


def requests(features: int) -> st.SearchStrategy[kserve.ModelInferRequest]:
    """All of them, to networks with so many features a patch."""
    return st.sampled_from(UNITS).flatmap(lambda unit: _to(unit, features))


@st.composite
def _to(draw: st.DrawFn, unit: Model | Ensemble, features: int) -> kserve.ModelInferRequest:
    batched = bool(getattr(unit, "max_batch_size", 0))
    odd = draw(st.sampled_from((0, 0, 0, 1, 1, 9)))  # how many tensors are odd
    tensors = [
        draw(_tensor(_as_served(tensor, features), batched, odd=number < odd))
        for number, tensor in enumerate(_shuffled(draw, unit))
    ]
    if draw(_rarely()):
        tensors = tensors[1:]
    if draw(_rarely()):
        tensors.append(draw(_tensor(draw(st.sampled_from([t for u in UNITS for t in u.inputs])), batched, odd=False)))
    request = kserve.ModelInferRequest(model_name=unit.name, id=draw(st.text(max_size=12)))
    for sent in tensors:
        request.inputs.add(name=sent.name, datatype=sent.dtype, shape=sent.shape)
        request.raw_input_contents.append(sent.content)
    if draw(_rarely()):
        request.outputs.add(name=draw(st.sampled_from((unit.outputs[0].name, "no such output", ""))))
    if draw(_rarely()):
        _set(request.parameters["timeout"], draw(st.sampled_from((0, 1, -1, 10**6, 10**17, 2**63 - 1))))
    if draw(_rarely()):
        _set(request.parameters[draw(_PARAMETER_NAMES)], draw(_PARAMETERS))
    return request


_PARAMETER_NAMES = st.sampled_from(
    ("timeout", "priority", "sequence_id", "sequence_start", AGE_POLICY, "binary_data_output", "triton_x", "x", "")
)
_PARAMETERS = st.one_of(
    st.sampled_from((0, 1, -1, 10**6, 10**17, 2**63 - 1, -(2**63))),
    st.booleans(),
    st.sampled_from(("", "warn", "block", "null", "1" * 1000)),
    st.floats(),
)


def _set(parameter: kserve.InferParameter, value: "bool | int | float | str") -> None:
    if isinstance(value, bool):
        parameter.bool_param = value
    elif isinstance(value, int):
        parameter.int64_param = value
    elif isinstance(value, float):
        parameter.double_param = value
    else:
        parameter.string_param = value


def _rarely() -> st.SearchStrategy[bool]:
    return st.integers(0, 9).map(lambda number: number == 9)


def _shuffled(draw: st.DrawFn, unit: Model | Ensemble) -> list[Tensor]:
    return list(draw(st.permutations(unit.inputs)))


def _as_served(tensor: Tensor, features: int) -> Tensor:
    return tensor.with_shape(*tensor.shape[:-1], features) if tensor.name == FEATURE_ROWS.name else tensor


@st.composite
def _tensor(draw: st.DrawFn, tensor: Tensor, batched: bool, *, odd: bool) -> Sent:
    shape = tuple(size if size >= 0 else draw(_SIZES) for size in tensor.shape)
    if batched:
        shape = (draw(_SIZES), *shape)
    dtype = tensor.dtype
    if odd:
        oddity = draw(st.sampled_from(("shape", "shape", "shape", "rank", "dtype", "length")))
        if oddity == "shape":
            at = draw(st.integers(0, max(0, len(shape) - 1)))
            shape = tuple(draw(_ODD_SIZES) if n == at or draw(_rarely()) else size for n, size in enumerate(shape))
        elif oddity == "rank":
            shape = draw(st.sampled_from((shape[1:], (*shape, 1), (), (2,) * 33)))
        elif oddity == "dtype":
            dtype = draw(st.sampled_from((*ITEM_BYTES, "BYTES", "FP16", "", "X")))
    content = draw(_content(dtype, shape))
    if odd and oddity == "length":
        content = content[: draw(st.integers(0, len(content)))]
    return Sent(tensor.name, dtype, shape, content)


@st.composite
def _content(draw: st.DrawFn, dtype: str, shape: tuple[int, ...]) -> bytes:
    items = math.prod(shape)
    if dtype == "BYTES":
        count = items if 0 <= items <= 64 else draw(st.integers(0, 3))
        words = [draw(st.binary(max_size=200)) for _ in range(count)]
        lengths = [draw(st.sampled_from((len(word), len(word), len(word), 0, 2**32 - 1))) for word in words]
        return b"".join(struct.pack("<I", length) + word for length, word in zip(lengths, words, strict=True))
    # What Triton compares lengths with is counted modulo 2**64.
    nbytes = items * ITEM_BYTES.get(dtype, 4) % 2**64
    if nbytes > MOST_BYTES or items < 0:
        return draw(st.sampled_from((b"", bytes(8))))
    code = FORMATS.get(dtype)
    if code is None:
        return bytes(nbytes)
    pattern = b"".join(struct.pack(f"<{code}", draw(st.sampled_from(_NUMBERS[code]))) for _ in range(3))
    if draw(st.booleans()):  # all the same, and most often harmless
        pattern = struct.pack(f"<{code}", draw(st.sampled_from(_NUMBERS[code][:4])))
    return (pattern * (nbytes // len(pattern) + 1))[:nbytes]
