# SPDX-License-Identifier: Apache-2.0
"""One server's gRPC endpoint: the few methods that the client calls, with every failure as a ``Fault``."""

import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import grpc
from tritonclient.grpc import service_pb2 as kserve

from vcf_client import tracing
from vcf_client.calls import Calls
from vcf_client.faults import Fault, Remedy, fault
from vcf_client.message import MAX_MESSAGE_BYTES, Answer, prepare, read_answer
from vcf_client.region import Region, is_loopback
from vcf_client.security import PLAIN, Security
from vcf_contract.contract import ADMISSION, ADMISSION_REQUEST, LEAVE, Priority, Tensor
from vcf_contract.errors import AccessDenied
from vcf_contract.version import VERSION_PARAMETER, before

_SERVICE = kserve.DESCRIPTOR.services_by_name["GRPCInferenceService"].full_name
_IN_PASSING_S, _GOODBYE_S = 0.0, 3.0
"""How long to wait for the server to forget a region: after a study, whose findings are not to wait for it, and in the
end."""
_FRESH_S = 1.0
"""So long a server is taken at its word that it has a model or a region: asking takes a hundredth of a study, starting
takes longer. One that is told to drop them fails a study of that second."""
_WITHOUT_ADMISSION_S = 60.0
"""How long a server is not asked for admission that has no such model."""
_REGION_GRAIN = 4 << 20
"""Regions are multiples of it, so that studies of about the same size share them."""
_RECONNECT_MS = (100, 1000)
"""Pause of gRPC after the first failed connection, and its longest; by default two minutes, in which every request
fails at once although the server may be back."""
_CONNECT_MS = 5000
"""How long one connection may take to come about, TLS and all; by default 20 s."""
_ROUND_ROBIN = '{"loadBalancingConfig": [{"round_robin": {}}]}'


@dataclass(frozen=True)
class Connection:
    """Tell how channels are made.

    keepalive_s
        Time without a word after which the client asks whether the server is still there; None does not ask. Triton
        hangs up on clients that ask more often than its ``--grpc-http2-min-recv-ping-interval-without-data``
        (default: 300 s).
    """

    security: Security = PLAIN
    keepalive_s: float | None = None

    def __post_init__(self) -> None:
        if self.keepalive_s is not None and not 1 <= self.keepalive_s < float("inf"):
            raise ValueError(f"keepalive_s is {self.keepalive_s!r}; 1 and more are accepted")

    def options(self, target: str, name: str | None = None) -> list[tuple[str, Any]]:
        """Channel arguments of gRPC; ``name`` is the ``host:port`` that was looked up to find the target."""
        first_ms, longest_ms = _RECONNECT_MS
        options: list[tuple[str, Any]] = [
            ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
            # A study goes to the address that was given and nowhere else.
            ("grpc.enable_http_proxy", 0),
            # Retries are made in one place, clients/python/vcf_client/servers.py.
            ("grpc.enable_retries", 0),
            ("grpc.initial_reconnect_backoff_ms", first_ms),
            ("grpc.min_reconnect_backoff_ms", _CONNECT_MS),  # of one attempt, in spite of its name
            ("grpc.max_reconnect_backoff_ms", longest_ms),
            # Clients share neither connections nor each other's pauses after failed ones.
            ("grpc.use_local_subchannel_pool", 1),
        ]
        if self.keepalive_s is not None:
            options += [
                ("grpc.keepalive_time_ms", int(self.keepalive_s * 1e3)),
                ("grpc.keepalive_timeout_ms", 10_000),
                ("grpc.http2.max_pings_without_data", 0),
            ]
        if target.startswith("dns:"):  # each of the name's addresses is a server
            options.append(("grpc.service_config", _ROUND_ROBIN))
        if name is not None:
            options.append(("grpc.default_authority", name))
            if self.security.tls:  # the certificate is the name's, not the address's
                options.append(("grpc.ssl_target_name_override", name.rpartition(":")[0].strip("[]")))
        return options


class Endpoint:
    """Triton's gRPC endpoint at one address; ``name`` is the ``host:port`` that was looked up to find it, if any."""

    def __init__(self, address: str, connection: Connection, calls: Calls, name: str | None = None) -> None:
        self.address = address
        self.is_here = is_loopback(address)
        self._security = connection.security
        self._metadata = connection.security.metadata()
        self._calls = calls
        self._unregistered: list[str] = []
        self._free: list[Region] = []
        self._said_s: dict[str, float] = {}
        self._admits_all_until = float("-inf")
        self._version: str | None = None
        self._channel = calls.channel(address, connection.security.credentials(), connection.options(address, name))
        self._infer = self._channel.unary_unary(
            f"/{_SERVICE}/ModelInfer", response_deserializer=kserve.ModelInferResponse.FromString
        )
        self._model_ready = self._method("ModelReady")
        self._model_config = self._method("ModelConfig")
        self._register = self._method("SystemSharedMemoryRegister")
        self._unregister = self._method("SystemSharedMemoryUnregister")
        self._status = self._method("SystemSharedMemoryStatus")

    def _method(self, name: str) -> Any:
        return self._channel.unary_unary(
            f"/{_SERVICE}/{name}",
            request_serializer=getattr(kserve, f"{name}Request").SerializeToString,
            response_deserializer=getattr(kserve, f"{name}Response").FromString,
        )

    async def close(self) -> None:
        """Close the channel; calls in flight end with an error."""
        for region in (*self._unregistered, *(region.name for region in self._free)):
            await self._forget(region, _GOODBYE_S)
        await self._calls.close(self._channel)

    async def infer(self, request: bytes, timeout_s: float) -> Answer:
        """The answer to a prepared request."""
        response = await self._call(self._infer, request, timeout_s)
        return await self._calls.work(read_answer, response)

    async def admit(self, request_id: str, priority: Priority, timeout_s: float) -> None:
        """Ask whether the server has room for a study, before anything of it is sent: the requests that follow have
        the same id. A server from before there was admission has always room.

        Raises
        ------
        Fault
            With ``Overloaded`` if there is none.
        """
        if time.monotonic() < self._admits_all_until:
            return
        message = self._admission(request_id, priority, budget_s=timeout_s)
        try:
            await self._calls.call(self._infer, message, timeout_s, self._metadata)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND and ADMISSION.name in (error.details() or ""):
                self._admits_all_until = time.monotonic() + _WITHOUT_ADMISSION_S
                return
            self._said_s.clear()
            raise fault(error, self.address, timeout_s, self._security) from None

    async def leave(self, request_id: str) -> None:
        """Tell the server that nobody waits for a study any more; without waiting for an answer."""
        if time.monotonic() >= self._admits_all_until:
            message = self._admission(request_id, LEAVE)
            await self._calls.send(self._infer, message, _GOODBYE_S, self._metadata, _IN_PASSING_S)

    @staticmethod
    def _admission(request_id: str, word: str, budget_s: float | None = None) -> bytes:
        inputs = [(ADMISSION_REQUEST, [word.encode()])]
        return prepare(ADMISSION.name, request_id, inputs, budget_s=budget_s)

    async def has_model(self, model: str, timeout_s: float) -> bool:
        """Tell whether the server can run the model now; no for one that it does not know."""
        if await self._ready_now(model, timeout_s):
            self._said_s[model] = time.monotonic()
            return True
        return False

    async def _ready_now(self, model: str, timeout_s: float) -> bool:
        try:
            answer = await self._call(self._model_ready, kserve.ModelReadyRequest(name=model), timeout_s)
        except Fault as found:
            if found.remedy is Remedy.NONE and not found.down:
                return False
            raise
        return bool(answer.ready)

    async def recently_had_model(self, model: str, timeout_s: float) -> bool:
        """The same as `has_model`, of a server that may have said so a moment ago."""
        return self._has_just_said(model) or await self.has_model(model, timeout_s)

    async def contract_version(self, model: str, timeout_s: float) -> str | None:
        """The version of the contract that an entry model names; None where it names none, as servers of old."""
        answer = await self._call(self._model_config, kserve.ModelConfigRequest(name=model), timeout_s)
        parameters = answer.config.parameters
        version = parameters[VERSION_PARAMETER].string_value if VERSION_PARAMETER in parameters else None
        self._version = version
        return version

    def takes(self, tensor: Tensor) -> bool:
        """Tell whether an input may be sent: Triton refuses a request with one that its model does not know."""
        return tensor.since is None or (self._version is not None and not before(self._version, tensor.since))

    async def borrow(self, nbytes: int, timeout_s: float) -> Region | None:
        """Shared memory of this size or more that the server has mapped; None if the two share none.

        `give_back` keeps it for the next study, for new memory takes longer to get than voxels take to copy. There
        are never more regions than there were studies at a time.
        """
        while region := self._take(nbytes):
            question = kserve.SystemSharedMemoryStatusRequest(name=region.name)
            if self._has_just_said(region.name) or await self._ask_about(self._status, question, timeout_s):
                return region  # otherwise the server is not the one that mapped it
        with suppress(IndexError):  # there is none, or another thread was faster
            await self.unregister(self._free.pop().name)  # too small
        try:
            region = await self._calls.work(Region, -(-nbytes // _REGION_GRAIN) * _REGION_GRAIN)
        except OSError:
            return None
        request = kserve.SystemSharedMemoryRegisterRequest(
            name=region.name, key=f"/{region.name}", offset=0, byte_size=region.nbytes
        )
        try:
            return region if await self._ask_about(self._register, request, timeout_s) else None
        finally:
            region.forget_name()  # the server has mapped it, or never will

    def give_back(self, region: Region) -> None:
        """Keep borrowed memory for another study. Not after an error: the server may still be reading it."""
        self._free.append(region)

    def _take(self, nbytes: int) -> Region | None:
        """The smallest free region that is large enough. Threads may share this client."""
        for region in sorted(self._free, key=lambda free: free.nbytes):
            if region.nbytes >= nbytes:
                with suppress(ValueError):  # another thread was faster
                    self._free.remove(region)
                    return region
        return None

    async def _ask_about(self, method: Any, request: Any, timeout_s: float) -> bool:
        """Tell whether the server does what is asked of it; no if it cannot or will not."""
        try:
            await self._call(method, request, timeout_s)
        except Fault as found:
            if (found.remedy is Remedy.NONE and not found.down) or isinstance(found.error, AccessDenied):
                return False  # a server may keep its shared memory to itself, and take studies all the same
            raise
        self._said_s[request.name] = time.monotonic()
        return True

    def _has_just_said(self, name: str) -> bool:
        said_s = self._said_s.get(name)
        return said_s is not None and time.monotonic() - said_s < _FRESH_S

    async def unregister(self, region: str) -> None:
        """Have the server forget a region once it has answered the requests that use it; nothing if it is gone.

        Does not wait for a server that hangs. The server is asked once more the next time, or in the end: it may still
        have been letting go of the request, and forgetting a region twice does no harm.
        """
        self._said_s.pop(region, None)
        before, self._unregistered = self._unregistered, [region]
        for name in (region, *before):
            await self._forget(name, _IN_PASSING_S)

    async def _forget(self, region: str, wait_s: float) -> None:
        request = kserve.SystemSharedMemoryUnregisterRequest(name=region)
        await self._calls.send(self._unregister, request, _GOODBYE_S, self._metadata, wait_s)

    async def _call(self, method: Any, request: Any, timeout_s: float) -> Any:
        try:
            return await self._calls.call(method, request, timeout_s, (*self._metadata, *tracing.headers()))
        except grpc.RpcError as error:
            self._said_s.clear()
            raise fault(error, self.address, timeout_s, self._security) from None
