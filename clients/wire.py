# SPDX-License-Identifier: Apache-2.0
"""One inference request to Triton over gRPC, with the volume copied once into the message.

The KServe v2 message is written in two parts: protobuf serialises everything but the tensors' bytes, and these are
appended to it as the repeated field that they are. ``tritonclient.grpc.InferInput`` copies a volume into bytes, into
a message and into the serialised message in turn, which takes longer than the network does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import grpc
import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import service_pb2 as kserve

from vcf.contract import Tensor
from vcf.errors import Code, DeadlineExceeded, ServerFailed, ServerUnavailable, StudyRefused

Arrays = Mapping[str, NDArray[Any]]

MAX_MESSAGE_BYTES = 2**31 - 1
"""The hard end of a protobuf message, and so of a study sent this way."""

_HEAD_BYTES = 4096
"""Ample room for names, shapes and lengths."""
_SERVICE = kserve.DESCRIPTOR.services_by_name["GRPCInferenceService"].full_name
_RAW_INPUT_TAG = bytes([kserve.ModelInferRequest.RAW_INPUT_CONTENTS_FIELD_NUMBER << 3 | 2])
"""Field number and wire type 2, length-delimited (Protocol Buffers encoding, *Message Structure*)."""
_NUMPY: dict[str, np.dtype[Any]] = {"FP32": np.dtype("<f4"), "INT16": np.dtype("<i2")}
"""Of the types that cross this wire; Triton's tensors are little-endian on every machine it runs on."""


@dataclass(frozen=True)
class Answer:
    """What the server sent back: the tensors by name (BYTES as object arrays of ``bytes``)."""

    model_version: str
    tensors: Arrays


class Wire(Protocol):
    """How a request reaches the server. ``prepare`` does the copying, ``send`` the waiting, so both can be timed."""

    def is_ready(self, model: str, deadline_s: float) -> bool: ...

    def prepare(self, model: str, request_id: str, inputs: Sequence[tuple[Tensor, NDArray[Any]]]) -> bytes: ...

    def send(self, request: bytes, deadline_s: float) -> Answer: ...

    def close(self) -> None: ...


class GrpcWire:
    """Triton's gRPC endpoint on a plain channel.

    The channel takes no proxy from the environment: a study goes to the address that was given and nowhere else.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._channel = grpc.insecure_channel(
            address,
            options=[
                ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
                ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
                ("grpc.enable_http_proxy", 0),
            ],
        )
        self._infer = self._channel.unary_unary(
            f"/{_SERVICE}/ModelInfer", response_deserializer=kserve.ModelInferResponse.FromString
        )
        self._model_ready = self._channel.unary_unary(
            f"/{_SERVICE}/ModelReady",
            request_serializer=kserve.ModelReadyRequest.SerializeToString,
            response_deserializer=kserve.ModelReadyResponse.FromString,
        )

    def close(self) -> None:
        """Close the channel; calls in flight end with an error."""
        self._channel.close()

    def is_ready(self, model: str, deadline_s: float) -> bool:
        """Whether the server answers and can run the model now; an unknown model or no server is a plain no."""
        try:
            return bool(self._model_ready(kserve.ModelReadyRequest(name=model), timeout=deadline_s).ready)
        except grpc.RpcError:
            return False

    def prepare(self, model: str, request_id: str, inputs: Sequence[tuple[Tensor, NDArray[Any]]]) -> bytes:
        """Serialise a request.

        Raises
        ------
        StudyRefused
            ``TOO_LONG`` if the message would pass 2 GiB.
        """
        size = sum(array.size * _NUMPY[tensor.dtype].itemsize for tensor, array in inputs)
        if size + _HEAD_BYTES > MAX_MESSAGE_BYTES:
            raise StudyRefused(
                Code.TOO_LONG, f"the volume has {size / 2**30:.1f} GiB, a gRPC message holds up to 2 GiB"
            )
        head = kserve.ModelInferRequest(model_name=model, id=request_id)
        contents: list[bytes | memoryview] = []
        for tensor, array in inputs:
            array = np.ascontiguousarray(array, _NUMPY[tensor.dtype])
            head.inputs.add(name=tensor.name, datatype=tensor.dtype, shape=array.shape)
            contents += [_RAW_INPUT_TAG, _varint(array.nbytes), array.reshape(-1).view(np.uint8).data]
        return b"".join([head.SerializeToString(), *contents])

    def send(self, request: bytes, deadline_s: float) -> Answer:
        """Send a prepared request and wait for its answer.

        Raises
        ------
        StudyRefused
            If the server refused the study.
        ServerUnavailable
            If nothing answers at the address, the model is not ready or its queue is full.
        DeadlineExceeded
            If no answer came in time; the server may still be working on the study.
        ServerFailed
            On any other error of the server, and if its answer cannot be read.
        """
        try:
            response = self._infer(request, timeout=deadline_s)
        except grpc.RpcError as error:
            raise self._translate(error, deadline_s) from None
        outputs = zip(response.outputs, response.raw_output_contents, strict=False)
        return Answer(response.model_version, {output.name: _array(output, raw) for output, raw in outputs})

    def _translate(self, error: grpc.RpcError, deadline_s: float) -> Exception:
        details = " ".join((error.details() or "no details").split())
        if refused := StudyRefused.find(details):
            return refused
        if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
            return DeadlineExceeded(f"no answer from {self._address} within {deadline_s:g} s")
        if error.code() is grpc.StatusCode.UNAVAILABLE:
            return ServerUnavailable(f"no Triton server takes studies at {self._address} ({details})")
        return ServerFailed(f"the server at {self._address} failed with {error.code().name}: {details}")


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
