# SPDX-License-Identifier: Apache-2.0
"""The client and the real server: secured, full, killed and started again."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clients import ApiKey, AsyncVcfClient, Outcome, Retry, VcfClient
from clients.retry import NO_RETRY
from tests.clients.certificates import Certificates
from vcf.errors import AccessDenied, NotTrusted, Overloaded, ServerUnavailable

if TYPE_CHECKING:
    from clients import Study
    from vcf.serve.server import TritonServer

pytestmark = [
    pytest.mark.server,
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("pytriton") is None, reason="the Triton server is not installed (nvidia-pytriton)"),
]

KEY = ApiKey("vcf-key", "s3cret")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def secured(tiny_repository: Path, certificates: Certificates) -> Iterator[TritonServer]:
    """Mutual TLS, and an API key for studies and for health."""
    from vcf.serve.server import TritonServer

    options = [
        "--grpc-use-ssl=1",
        "--grpc-use-ssl-mutual=1",
        f"--grpc-server-cert={certificates.path('ours-server')}",
        f"--grpc-server-key={certificates.path('ours-server-key')}",
        f"--grpc-root-cert={certificates.path('ours-ca')}",
        f"--grpc-restricted-protocol=inference,health:{KEY.name}={KEY.value}",
    ]
    with TritonServer(tiny_repository, extra_args=options) as server:
        yield server


def test_all_secrets_right(secured: TritonServer, certificates: Certificates, study: Study) -> None:
    security = certificates.security(client="ours", api_key=KEY)
    with VcfClient(secured.grpc_url, security=security) as client:
        assert client.is_ready()
        here = client.analyze(study)

    async def there() -> float:
        async with AsyncVcfClient(secured.grpc_url, security=security) as client:
            return (await client.analyze(study)).study_score

    assert here.wire == "crop" and asyncio.run(there()) == here.study_score


@pytest.mark.parametrize("wire", ["auto", "volume"])
@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"client": "ours"}, AccessDenied),
        ({"client": "ours", "api_key": ApiKey(KEY.name, "guess")}, AccessDenied),
        ({"client": "ours", "api_key": ApiKey("other-key", KEY.value)}, AccessDenied),
        ({"client": None, "api_key": KEY}, NotTrusted),
        ({"client": "strangers", "api_key": KEY}, NotTrusted),
        ({"ca": "strangers", "client": "ours", "api_key": KEY}, NotTrusted),
    ],
)
def test_each_secret_is_needed(
    secured: TritonServer, certificates: Certificates, study: Study, wire: str, wrong: Any, expected: type
) -> None:
    started = time.perf_counter()
    with (
        VcfClient(secured.grpc_url, wire=wire, deadline_s=20, security=certificates.security(**wrong)) as client,
        pytest.raises(expected) as error,
    ):
        client.analyze(study)
    assert type(error.value) is expected
    assert secured.grpc_url in str(error.value) and KEY.value not in str(error.value)
    assert time.perf_counter() - started < 20


def test_plain_client(secured: TritonServer, study: Study) -> None:
    with VcfClient(secured.grpc_url, deadline_s=20) as client, pytest.raises(ServerUnavailable, match="expect TLS"):
        client.analyze(study)


@pytest.fixture(scope="module")
def narrow_repository(tiny_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One study in the first step, one in its queue, no more."""
    target = tmp_path_factory.mktemp("narrow") / "repository"
    shutil.copytree(tiny_repository, target)
    config = target / "axial_slices" / "configs" / "cpu.pbtxt"
    text = config.read_text("utf-8")
    assert text.count("default_queue_policy {") == 1
    config.write_text(text.replace("default_queue_policy {", "default_queue_policy {\n    max_queue_size: 1"), "utf-8")
    return target


def tritons_pid(server: TritonServer) -> int:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_text().split("\0")
        except OSError:
            continue
        if words[0].endswith("/tritonserver") and f"--grpc-port={server.grpc_port}" in words:
            return int(folder.name)
    raise AssertionError("there is no tritonserver of this port")


def test_full_then_killed_then_back(narrow_repository: Path, study: Study) -> None:
    from vcf.serve.server import TritonServer

    patient = Retry(attempts=1000, first_s=0.1, longest_s=0.5)
    with TritonServer(narrow_repository) as server:
        address, ports = server.grpc_url, (server.grpc_port, server.http_port, server.metrics_port)
        hasty = crowd(address, study, NO_RETRY)
        full = [outcome for outcome in hasty if outcome.error]
        assert full and all(type(outcome.error) is Overloaded for outcome in full)
        assert len(full) < len(hasty)  # the others were taken
        assert "maximum queue size" in str(full[0].error)
        scores = {outcome.result().study_score for outcome in crowd(address, study, patient)}
        assert scores == {outcome.findings.study_score for outcome in hasty if outcome.findings}

        with VcfClient(address, wire="volume", deadline_s=90, retry=patient) as client:
            os.kill(tritons_pid(server), signal.SIGKILL)
            server.wait(30)
            found: list[float] = []
            waiting = threading.Thread(target=lambda: found.append(client.analyze(study).study_score))
            waiting.start()
            with VcfClient(address, wire="volume", retry=NO_RETRY) as other, pytest.raises(ServerUnavailable):
                other.analyze(study)
            grpc_port, http_port, metrics_port = ports
            with TritonServer(
                narrow_repository, grpc_port=grpc_port, http_port=http_port, metrics_port=metrics_port
            ) as again:
                assert again.grpc_url == address
                waiting.join(60)
            assert set(found) == scores


def crowd(address: str, study: Study, retry: Retry) -> list[Outcome]:
    """Twelve studies at once."""
    with VcfClient(address, wire="volume", retry=retry) as client:
        return list(client.analyze_many([study] * 12, concurrency=12))
