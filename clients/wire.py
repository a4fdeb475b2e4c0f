# SPDX-License-Identifier: Apache-2.0
"""Requests to Triton over gRPC, with what is large copied once into the message, or not at all.

The KServe v2 message is written in two parts: protobuf serialises everything but the tensors' bytes, and these are
appended to it as the repeated field that they are. ``tritonclient.grpc.InferInput`` copies a volume into bytes, into
a message and into the serialised message in turn, which takes longer than the network does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import service_pb2 as kserve

from vcf.contract import Tensor
from vcf.errors import Code, DeadlineExceeded, ServerFailed, ServerUnavailable, StudyRefused

Arrays = Mapping[str, NDArray[Any]]

MAX_MESSAGE_BYTES = 2**31 - 1
"""The hard end of a protobuf message, and so of a study sent this way."""

_LENGTH_BYTES = 4
"""Before each element of a BYTES tensor (KServe v2, *raw tensor contents*)."""
_HEAD_BYTES = 4096
"""Ample room for names, shapes and lengths."""
_SERVICE = kserve.DESCRIPTOR.services_by_name["GRPCInferenceService"].full_name
_RAW_INPUT_TAG = bytes([kserve.ModelInferRequest.RAW_INPUT_CONTENTS_FIELD_NUMBER << 3 | 2])
"""Field number and wire type 2, length-delimited (Protocol Buffers encoding, *Message Structure*)."""
_NUMPY: dict[str, np.dtype[Any]] = {
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
}
"""Of the types that cross this wire; Triton's tensors are little-endian on every machine it runs on."""
_TIMEOUT = "timeout"
"""Triton's own request parameter, in microseconds: what is left to the server when the request arrives."""
_WAITED_TOO_LONG = "Request timeout expired"
"""What Triton says (UNAVAILABLE) of a request that waited in a queue for longer than its timeout."""
_GLANCE_S, _GOODBYE_S = 0.02, 3.0
"""How long to wait for the server to forget a region: in passing, and in the end."""


@dataclass(frozen=True)
class Answer:
    """What the server sent back: the tensors by name (BYTES as object arrays of ``bytes``)."""

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


class GrpcWire:
    """Triton's gRPC endpoint on a plain channel.

    The channel takes no proxy from the environment: a study goes to the address that was given and nowhere else.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._unregistered: list[str] = []
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
        self._model_ready = self._method("ModelReady")
        self._register = self._method("SystemSharedMemoryRegister")
        self._unregister = self._method("SystemSharedMemoryUnregister")

    def _method(self, name: str) -> Any:
        return self._channel.unary_unary(
            f"/{_SERVICE}/{name}",
            request_serializer=getattr(kserve, f"{name}Request").SerializeToString,
            response_deserializer=getattr(kserve, f"{name}Response").FromString,
        )

    def close(self) -> None:
        """Close the channel; calls in flight end with an error."""
        for call in [self._forget(region) for region in self._unregistered]:
            _ended(call, _GOODBYE_S)
        self._channel.close()

    def is_ready(self, model: str, deadline_s: float) -> bool:
        """Whether the server answers and can run the model now; an unknown model or no server is a plain no."""
        try:
            return bool(self._model_ready(kserve.ModelReadyRequest(name=model), timeout=deadline_s).ready)
        except grpc.RpcError:
            return False

    def register(self, region: str, nbytes: int, deadline_s: float) -> bool:
        """Have the server map a POSIX shared memory object of this name; False if it cannot or will not."""
        request = kserve.SystemSharedMemoryRegisterRequest(name=region, key=f"/{region}", offset=0, byte_size=nbytes)
        try:
            self._register(request, timeout=deadline_s)
        except grpc.RpcError:
            return False
        return True

    def unregister(self, region: str) -> None:
        """Have the server forget a region once it has answered the requests that use it; nothing if it is gone.

        Does not wait for a server that hangs. The server is asked once more the next time, or in the end: it may still
        have been letting go of the request, and forgetting a region twice does no harm.
        """
        before, self._unregistered = self._unregistered, [region]
        for name in (region, *before):
            _ended(self._forget(name), _GLANCE_S)

    def _forget(self, region: str) -> Any:
        return self._unregister.future(kserve.SystemSharedMemoryUnregisterRequest(name=region), timeout=_GOODBYE_S)

    def prepare(
        self,
        model: str,
        request_id: str,
        inputs: Inputs,
        *,
        budget_s: float | None = None,
        parameters: Mapping[str, str] | None = None,
    ) -> bytes:
        """Serialise a request.

        Parameters
        ----------
        request_id
            Unlike that of any other request, if there is a budget.
        budget_s
            How long the server may work on it: it does not start another step after that.

        Raises
        ------
        StudyRefused
            ``TOO_LONG`` if the message would pass 2 GiB.
        """
        size = sum(_nbytes(tensor, content) for tensor, content in inputs)
        if size + _HEAD_BYTES > MAX_MESSAGE_BYTES:
            raise StudyRefused(
                Code.TOO_LONG, f"the volume has {size / 2**30:.1f} GiB, a gRPC message holds up to 2 GiB"
            )
        head = kserve.ModelInferRequest(model_name=model, id=request_id)
        if budget_s is not None:
            head.parameters[_TIMEOUT].int64_param = max(1, int(budget_s * 1e6))
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

    def send(self, request: bytes, deadline_s: float) -> Answer:
        """Send a prepared request and wait for its answer.

        Raises
        ------
        StudyRefused
            If the server refused the study.
        ServerUnavailable
            If nothing answers at the address, the model is not ready or its queue is full.
        DeadlineExceeded
            If no answer came in time. The server starts no further step, if the request holds its budget.
        ServerFailed
            On any other error of the server, and if its answer cannot be read.
        """
        try:
            response = self._infer(request, timeout=deadline_s)
        except grpc.RpcError as error:
            raise self._translate(error, deadline_s) from None
        outputs = zip(response.outputs, response.raw_output_contents, strict=False)
        return Answer(response.model_version, {output.name: _array(output, raw) for output, raw in outputs})

    def _late(self, deadline_s: float) -> DeadlineExceeded:
        return DeadlineExceeded(f"no answer from {self.address} within {deadline_s:.3g} s")

    def _translate(self, error: grpc.RpcError, deadline_s: float) -> Exception:
        details = " ".join((error.details() or "no details").split())
        if refused := StudyRefused.find(details):
            return refused
        late = error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        if late or any(words in details for words in (f"{DeadlineExceeded.CODE}: ", _WAITED_TOO_LONG)):
            return self._late(deadline_s)
        if error.code() is grpc.StatusCode.UNAVAILABLE:
            return ServerUnavailable(f"no Triton server takes studies at {self.address} ({details})")
        return ServerFailed(f"the server at {self.address} failed with {error.code().name}: {details}")


def _ended(call: Any, within_s: float) -> bool:
    """Whether a call has ended, well or not."""
    try:
        call.result(timeout=within_s)
    except grpc.FutureTimeoutError:
        return False
    except (grpc.RpcError, grpc.FutureCancelledError):
        pass
    return True


def _nbytes(tensor: Tensor, content: Content) -> int:
    """What a tensor's content takes up in the message."""
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
