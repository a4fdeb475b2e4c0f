# SPDX-License-Identifier: Apache-2.0
"""Every Python block of docs/recipes.md runs, against the real server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from tests.clients.certificates import Certificates
from tests.clients.ct_series import CtSeries
from vcf_client.security import API_KEY_PREFIX
from vcf_contract import errors

if TYPE_CHECKING:
    from vcf_server.server import TritonServer

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "recipes.md").read_text("utf-8")
RECIPES = re.findall(r"^## ([^\n]*)\n(?:(?!^## ).)*?^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)

RAN: list[str] = []
"""Recipes that were run, as they stand on the page."""


class Relay(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Hands every call on to a server, if it has the API key that is asked for."""

    def __init__(self, target: str, key: tuple[str, str] | None = None) -> None:
        size = ("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)
        self._channel = grpc.insecure_channel(target, options=size)
        self._key = key
        self.calls = 0

    def service(self, details: Any) -> Any:
        return grpc.unary_unary_rpc_method_handler(lambda request, context: self._on(details.method, request, context))

    def _on(self, method: str, request: bytes, context: grpc.ServicerContext) -> Any:
        if self._key and self._key not in {(k, v) for k, v in context.invocation_metadata()}:
            context.abort(grpc.StatusCode.UNAVAILABLE, "This protocol is restricted")
        self.calls += 1
        return self._channel.unary_unary(method)(request, timeout=300)


@pytest.fixture(scope="module")
def world(triton_server: TritonServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What stands in the recipes, and what there is instead of it."""
    folder = tmp_path_factory.mktemp("recipes")
    CtSeries(slices=60).write(folder / "study")
    certificates = Certificates.make(folder)
    (folder / "key").write_text("vcf-key=s3cret\n")
    own = certificates.path("ours-server-key").read_bytes(), certificates.path("ours-server").read_bytes()
    credentials = grpc.ssl_server_credentials([own], certificates.path("ours-ca").read_bytes(), True)
    server = grpc.server(ThreadPoolExecutor(2), options=[("grpc.max_receive_message_length", -1)])
    plain = Relay(triton_server.grpc_url)
    server.add_generic_rpc_handlers((plain,))
    plain_port = server.add_insecure_port("127.0.0.1:0")
    secure = grpc.server(ThreadPoolExecutor(2), options=[("grpc.max_receive_message_length", -1)])
    keyed = Relay(triton_server.grpc_url, (f"{API_KEY_PREFIX}vcf-key", "s3cret"))
    secure.add_generic_rpc_handlers((keyed,))
    secure_port = secure.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    secure.start()
    yield {
        "127.0.0.1:8001": triton_server.grpc_url,
        "triton-a:8001": triton_server.grpc_url,
        "triton-b:8001": f"127.0.0.1:{plain_port}",
        "triton.example:8001": f"127.0.0.1:{secure_port}",
        "path/to/study": str(folder / "study"),
        "pki/ca.pem": str(certificates.path("ours-ca")),
        "pki/client.pem": str(certificates.path("ours-client")),
        "pki/client-key.pem": str(certificates.path("ours-client-key")),
        "pki/api-key": str(folder / "key"),
    }
    server.stop(None).wait()
    secure.stop(None).wait()
    for relay, stands in ((plain, "triton-b:8001"), (keyed, "triton.example:8001")):
        ran = any(stands in code for code in RAN)
        assert bool(relay.calls) is ran  # the recipes did go by these


def test_every_block_is_found() -> None:
    assert len(RECIPES) == PAGE.count("```python")


@pytest.mark.server
@pytest.mark.parametrize("code", [pytest.param(code, id=title) for title, code in RECIPES])
def test_recipe(code: str, world: dict[str, str], tmp_path: Path) -> None:
    if "structured_report" in code:
        pytest.importorskip("highdicom", reason="the gateway's extra is not installed")
    RAN.append(code)
    for stands, there_is in world.items():
        code = code.replace(stands, there_is)
    recipe = tmp_path / "recipe.py"  # a file, as processes that are spawned read it again
    recipe.write_text(code, "utf-8")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", str(recipe)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout or list(tmp_path.iterdir())
    assert "too slow" not in done.stdout and "full" not in done.stdout.split()


def test_table_of_errors_names_all_of_them_with_their_codes() -> None:
    rows = set(re.findall(r"^\| `(\w+)` \| (?:`(\w+)`|of the refusal) \|", PAGE, re.MULTILINE))
    kinds = (errors.Overloaded, errors.NotTrusted, errors.AccessDenied, errors.ServerUnavailable)
    expected = {(kind.__name__, kind.code) for kind in (*kinds, errors.DeadlineExceeded, errors.ServerFailed)}
    assert rows == expected | {("StudyRefused", "")}
