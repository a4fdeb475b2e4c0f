# SPDX-License-Identifier: Apache-2.0
"""A server that hands requests on to a real one, writes down what it was asked, and misbehaves as a case wants."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from tritonclient.grpc import service_pb2 as kserve

from vcf_client.security import API_KEY_PREFIX
from vcf_contract.contract import ADMISSION
from vcf_contract.version import VERSION_PARAMETER

ANY_SIZE = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
LONGEST_S = 60


@dataclass
class Behaviour:
    """Tell what a server of a case does unlike a real one.

    errors
        Answers to the first requests, ``(status, text)``; the last one for ever if ``always``.
    silent
        It never answers a study.
    contract
        The version that it says it speaks; an empty text says none.
    api_key
        ``NAME=VALUE`` that it asks for.
    """

    errors: list[tuple[str, str]] = field(default_factory=list)
    always: bool = False
    silent: bool = False
    contract: str | None = None
    api_key: str | None = None


class Relay(grpc.GenericRpcHandler):  # type: ignore[misc]
    """The handler of one misbehaving server."""

    def __init__(self, target: str, behaviour: Behaviour) -> None:
        self._channel = grpc.insecure_channel(target, options=ANY_SIZE)
        self._behaviour = behaviour
        self._left = list(behaviour.errors)
        self._ended = threading.Event()
        self.requests: list[Any] = []
        """Of studies; whether there is room is answered by the real server."""

    def service(self, details: Any) -> Any:
        """Handle any method."""
        return grpc.unary_unary_rpc_method_handler(lambda request, context: self._on(details.method, request, context))

    def end(self) -> None:
        """Let go of requests that wait."""
        self._ended.set()
        self._channel.close()

    def _on(self, method: str, message: bytes, context: grpc.ServicerContext) -> Any:
        wanted = self._behaviour
        if wanted.api_key:
            name, _, value = wanted.api_key.partition("=")
            if (API_KEY_PREFIX + name, value) not in {(key, said) for key, said in context.invocation_metadata()}:
                # Triton's own words
                text = f"This protocol is restricted, expecting header '{API_KEY_PREFIX}{name}'"
                context.abort(grpc.StatusCode.UNAVAILABLE, text)
        request = kserve.ModelInferRequest.FromString(message) if method.endswith("/ModelInfer") else None
        if request and request.model_name != ADMISSION.name:
            self.requests.append(request)
            if wanted.silent:
                self._ended.wait(LONGEST_S)
                context.abort(grpc.StatusCode.INTERNAL, "the case has ended")
            if self._left:
                status, text = self._left[0] if wanted.always else self._left.pop(0)
                context.abort(grpc.StatusCode[status], text)
        try:
            answer = self._channel.unary_unary(method)(message, timeout=LONGEST_S)
        except grpc.RpcError as error:
            context.abort(error.code(), error.details())
        return self._other_contract(answer) if method.endswith("/ModelConfig") else answer

    def _other_contract(self, answer: bytes) -> bytes:
        if self._behaviour.contract is None:
            return answer
        response = kserve.ModelConfigResponse.FromString(answer)
        if self._behaviour.contract:
            response.config.parameters[VERSION_PARAMETER].string_value = self._behaviour.contract
        else:
            del response.config.parameters[VERSION_PARAMETER]
        return bytes(response.SerializeToString())


@contextmanager
def relay(
    target: str, behaviour: Behaviour, certificate: tuple[Path, Path] | None = None
) -> Iterator[tuple[str, Relay]]:
    """Address and handler of a server that runs inside the block; with TLS if it has a certificate and its key."""
    handler = Relay(target, behaviour)
    server = grpc.server(ThreadPoolExecutor(4), handlers=(handler,), options=ANY_SIZE)
    if certificate:
        chain, key = (path.read_bytes() for path in certificate)
        port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, chain)]))
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}", handler
    finally:
        handler.end()
        server.stop(None).wait()
