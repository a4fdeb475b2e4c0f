# SPDX-License-Identifier: Apache-2.0
"""The owner's calls to a server, which answers here as Triton does."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from vcf_contract.errors import SetupError
from vcf_server.admin import HEADER, SHARED_MEMORY, Admin


class Triton(BaseHTTPRequestHandler):
    asked: list[str]
    keys: set[str | None]
    unloading: int
    status = 200

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        cls = type(self)
        cls.keys.add(self.headers[HEADER])
        cls.asked.append(self.path)
        body: Any = {}
        if self.path.endswith("index"):
            cls.unloading -= 1
            state = "UNLOADING" if cls.unloading >= 0 else "UNAVAILABLE"
            others = ({"name": "other", "version": v, "state": s} for v, s in (("1", "UNAVAILABLE"), ("2", "READY")))
            body = [*others, {"name": "head", "version": "1", "state": state}]
        content = json.dumps(body if cls.status == 200 else {"error": "restricted"}).encode()
        self.send_response(cls.status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def triton() -> Iterator[tuple[type[Triton], int]]:
    handler = type("Handler", (Triton,), {"asked": [], "keys": set(), "unloading": 3})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield handler, server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_model_is_loaded_once_it_is_gone(triton: tuple[type[Triton], int]) -> None:
    handler, port = triton
    admin = Admin(shared_memory=True)
    admin.unload("127.0.0.1", port, "head")
    first, *rest = handler.asked
    assert first == "/v2/repository/models/head/unload"
    assert rest == ["/v2/repository/index"] * 4
    admin.load("127.0.0.1", port, "head")
    assert handler.asked[5:] == ["/v2/repository/models/head/load"]
    assert len(handler.keys) == 1 and None not in handler.keys


def test_what_is_loaded(triton: tuple[type[Triton], int]) -> None:
    _, port = triton
    admin = Admin(shared_memory=True)
    assert admin.is_loaded("127.0.0.1", port, "other")
    assert not admin.is_loaded("127.0.0.1", port, "head") and not admin.is_loaded("127.0.0.1", port, "none")
    assert not admin.all_ready("127.0.0.1", port)


def test_an_unloading_that_never_ends_is_not_waited_for(triton: tuple[type[Triton], int]) -> None:
    handler, port = triton
    handler.unloading = 10**9
    started = time.monotonic()
    Admin(shared_memory=True).unload("127.0.0.1", port, "head")
    assert time.monotonic() - started < 30


def test_a_server_that_refuses_is_quoted(triton: tuple[type[Triton], int]) -> None:
    handler, port = triton
    handler.status = 403
    with pytest.raises(SetupError, match=r"refuses /v2/repository/models/head/unload: .*restricted"):
        Admin(shared_memory=True).unload("127.0.0.1", port, "head")


def test_a_server_that_is_gone_is_said() -> None:
    with pytest.raises(SetupError, match="does not answer /v2/repository/models/head/unload"):
        Admin(shared_memory=True).unload("127.0.0.1", 1, "head")


@pytest.mark.parametrize("models", [True, False])
@pytest.mark.parametrize("shared_memory", [True, False])
def test_the_key_closes_the_same_interfaces_of_both_protocols(shared_memory: bool, models: bool) -> None:
    http, grpc, *_ = Admin(shared_memory=shared_memory, models=models).options()
    assert http.partition("=")[2] == grpc.partition("=")[2]
    assert (SHARED_MEMORY in http) is not shared_memory
    assert ("model-repository" in http) is not models
    for name in ("trace", "logging"):
        assert name in http


def test_every_start_has_a_key_of_its_own() -> None:
    keys = {Admin(shared_memory=True).options()[0].rpartition("=")[2] for _ in range(20)}
    assert len(keys) == 20 and all(len(key) >= 32 for key in keys)
