# SPDX-License-Identifier: Apache-2.0
"""Requests to Triton as messages of gRPC, with what is large copied once into the message, or not at all; and answers.

The KServe v2 message is written in two parts: protobuf serialises everything but the tensors' bytes, and these are
appended to it as the repeated field that they are. ``tritonclient.grpc.InferInput`` copies a volume into bytes, into
a message and into the serialised message in turn, which takes longer than the network does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import service_pb2 as kserve

from vcf_contract.contract import Priority, Tensor
from vcf_contract.errors import Code, ServerFailed, StudyRefused

Arrays = Mapping[str, NDArray[Any]]

MAX_MESSAGE_BYTES = 2**31 - 1
"""The hard end of a protobuf message, and so of a study sent this way."""

_LENGTH_BYTES = 4
"""The length that stands before each element of a BYTES tensor (KServe v2, *raw tensor contents*)."""
_HEAD_BYTES = 4096
"""Ample room for names, shapes and lengths."""
_RAW_INPUT_TAG = bytes([kserve.ModelInferRequest.RAW_INPUT_CONTENTS_FIELD_NUMBER << 3 | 2])
"""Field number and wire type 2, length-delimited (Protocol Buffers encoding, *Message Structure*)."""
_NUMPY: dict[str, np.dtype[Any]] = {
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
}
"""NumPy's types of those that are sent; Triton's tensors are little-endian on every machine it runs on."""
TIMEOUT = "timeout"
"""Triton's own request parameter, in microseconds: what is left to the server when the request arrives."""
PRIORITY = "priority"
"""Triton's own request parameter: 1 is the highest."""


@dataclass(frozen=True)
class Answer:
    """Tell what the server sent back: the tensors by name (BYTES as object arrays of ``bytes``)."""

    model_version: str
    tensors: Arrays

    def tensor(self, expected: Tensor) -> NDArray[Any]:
        """The named tensor, once its shape is what the contract says; ServerFailed otherwise."""
        return checked(self.tensors, expected)


def checked(tensors: Arrays, expected: Tensor) -> NDArray[Any]:
    """The named tensor, once its shape is what the contract says; ServerFailed otherwise."""
    if expected.name not in tensors:
        raise ServerFailed(f"the answer has no tensor {expected.name}, it has {', '.join(sorted(tensors))}")
    array = tensors[expected.name]
    fits = array.ndim == len(expected.shape) and all(
        want in (-1, got) for want, got in zip(expected.shape, array.shape, strict=True)
    )
    if not fits:
        raise ServerFailed(f"tensor {expected.name} of the answer has shape {array.shape}, not {expected.shape}")
    return array


@dataclass(frozen=True)
class InRegion:
    """A tensor that the server finds in a registered region of shared memory, from its first byte on."""

    shape: tuple[int, ...]
    region: str
    nbytes: int


Content = NDArray[Any] | Sequence[bytes] | InRegion
Inputs = Sequence[tuple[Tensor, Content]]


def prepare(
    model: str,
    request_id: str,
    inputs: Inputs,
    *,
    budget_s: float | None = None,
    priority: Priority | None = None,
    parameters: Mapping[str, str] | None = None,
) -> bytes:
    """Serialise a request.

    Parameters
    ----------
    request_id
        Unlike that of any other request, if there is a budget.
    budget_s
        How long the server may work on it: it does not start another step after that.
    priority
        Where the request waits, it goes before those of lower priority.

    Raises
    ------
    StudyRefused
        ``TOO_LARGE`` if the message would pass 2 GiB.
    """
    check_size(inputs)
    head = kserve.ModelInferRequest(model_name=model, id=request_id)
    if budget_s is not None:
        head.parameters[TIMEOUT].int64_param = max(1, int(budget_s * 1e6))
    if priority is not None:
        head.parameters[PRIORITY].int64_param = priority.level
    for key, value in (parameters or {}).items():
        head.parameters[key].string_param = value
    contents: list[bytes | memoryview] = []
    for tensor, content in inputs:
        shape = content.shape if isinstance(content, np.ndarray | InRegion) else (len(content),)
        entry = head.inputs.add(name=tensor.name, datatype=tensor.dtype, shape=shape)
        if isinstance(content, InRegion):
            entry.parameters["shared_memory_region"].string_param = content.region
            entry.parameters["shared_memory_byte_size"].int64_param = content.nbytes
        elif isinstance(content, np.ndarray):
            array = np.ascontiguousarray(content, _NUMPY[tensor.dtype])
            contents += [_RAW_INPUT_TAG, _varint(array.nbytes), array.reshape(-1).view(np.uint8).data]
        else:
            contents += [_RAW_INPUT_TAG, _varint(_nbytes(tensor, content))]
            for element in content:
                contents += [len(element).to_bytes(_LENGTH_BYTES, "little"), element]
    return b"".join([head.SerializeToString(), *contents])


def check_size(inputs: Inputs) -> None:
    """Refuse with ``TOO_LARGE`` what does not fit into a message."""
    size = sum(_nbytes(tensor, content) for tensor, content in inputs)
    if size + _HEAD_BYTES > MAX_MESSAGE_BYTES:
        raise StudyRefused(Code.TOO_LARGE, f"the volume has {size / 2**30:.1f} GiB, a gRPC message holds up to 2 GiB")


def read_answer(response: Any) -> Answer:
    """A ``ModelInferResponse``; ServerFailed if its bytes do not make up its tensors."""
    outputs = zip(response.outputs, response.raw_output_contents, strict=False)
    return Answer(response.model_version, {output.name: _array(output, raw) for output, raw in outputs})


def _nbytes(tensor: Tensor, content: Content) -> int:
    """Tell what a tensor's content takes up in the message."""
    if isinstance(content, InRegion):
        return 0
    if isinstance(content, np.ndarray):
        return int(content.size) * _NUMPY[tensor.dtype].itemsize
    return sum(_LENGTH_BYTES + len(element) for element in content)


def _varint(value: int) -> bytes:
    """Base 128 variable-length integer, least significant group first (Protocol Buffers encoding)."""
    groups = bytearray()
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)


def _array(output: Any, raw: bytes) -> NDArray[Any]:
    shape = tuple(output.shape)
    try:
        flat = _byte_strings(raw) if output.datatype == "BYTES" else np.frombuffer(raw, _NUMPY[output.datatype])
        return flat.reshape(shape)
    except (KeyError, ValueError) as error:
        raise ServerFailed(
            f"tensor {output.name} of the answer, {output.datatype} {shape}, came with {len(raw)} bytes"
        ) from error


def _byte_strings(raw: bytes) -> NDArray[Any]:
    """Elements of a BYTES tensor: each a 32-bit length and as many bytes (KServe v2, *raw tensor contents*)."""
    elements: list[bytes] = []
    at = 0
    while at < len(raw):
        length = int.from_bytes(raw[at : at + 4], "little")
        elements.append(raw[at + 4 : at + 4 + length])
        at += 4 + length
    if at != len(raw):
        raise ValueError("a length runs past the end of the tensor")
    array = np.empty(len(elements), object)
    array[:] = elements
    return array
