# SPDX-License-Identifier: Apache-2.0
"""The client and the real server: secured, full, killed and started again."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import threading
import time
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.clients.certificates import Certificates
from vcf_client import ApiKey, AsyncVcfClient, Outcome, Retry, VcfClient
from vcf_client.calls import Blocking, finish
from vcf_client.endpoint import Connection, Endpoint
from vcf_client.faults import Fault
from vcf_client.message import prepare
from vcf_client.retry import NO_RETRY
from vcf_contract.contract import ADMISSION, MOST_ROUTINE, MOST_URGENT, SPACING_MM, VCF, VOLUME, Priority
from vcf_contract.errors import AccessDenied, NotTrusted, Overloaded, ServerUnavailable

if TYPE_CHECKING:
    from vcf_client import Study
    from vcf_server.server import TritonServer

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
    from vcf_server.server import TritonServer

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

    assert here.transport == "crop" and asyncio.run(there()) == here.study_score


@pytest.mark.parametrize("transport", ["auto", "volume"])
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
    secured: TritonServer, certificates: Certificates, study: Study, transport: str, wrong: Any, expected: type
) -> None:
    with (
        VcfClient(
            secured.grpc_url, transport=transport, deadline_s=120, security=certificates.security(**wrong)
        ) as client,
        pytest.raises(expected) as error,
    ):
        client.analyze(study)
    assert type(error.value) is expected, "a passed deadline would be another error"
    assert secured.grpc_url in str(error.value) and KEY.value not in str(error.value)


def test_plain_client(secured: TritonServer, study: Study) -> None:
    with VcfClient(secured.grpc_url, deadline_s=120) as client, pytest.raises(ServerUnavailable, match="expect TLS"):
        client.analyze(study)


@pytest.fixture(scope="module")
def narrow_repository(tiny_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two routine studies at a time, one more that is urgent, no others."""
    target = tmp_path_factory.mktemp("narrow") / "repository"
    shutil.copytree(tiny_repository, target)
    config = target / ADMISSION.name / "configs" / "cpu.pbtxt"
    text = config.read_text("utf-8")
    for name, most in ((MOST_ROUTINE, 2), (MOST_URGENT, 1)):
        text, count = re.subn(rf'(key: "{name}"\n  value {{\n    string_value: )"\d+"', rf'\1"{most}"', text)
        assert count == 1
    config.write_text(text, "utf-8")
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
    from vcf_server.server import TritonServer

    patient = Retry(attempts=1000, first_s=0.1, longest_s=0.5)
    with TritonServer(narrow_repository) as server:
        address, ports = server.grpc_url, (server.grpc_port, server.http_port, server.metrics_port)
        hasty = crowd(address, study, NO_RETRY)
        full = [outcome for outcome in hasty if outcome.error]
        assert full and all(type(outcome.error) is Overloaded for outcome in full)
        assert len(full) < len(hasty)  # the others were taken
        assert "OVERLOADED: " in str(full[0].error) and "send it again in about" in str(full[0].error)
        assert metrics(server)['vcf_studies_refused_for_load{priority="routine"}'] == len(full)
        assert metrics(server)["vcf_studies_in_flight"] == 0
        scores = {outcome.result().study_score for outcome in crowd(address, study, patient)}
        assert scores == {outcome.findings.study_score for outcome in hasty if outcome.findings}

        with VcfClient(address, transport="volume", deadline_s=90, retry=patient) as client:
            os.kill(tritons_pid(server), signal.SIGKILL)
            server.wait(300)
            found: list[float] = []
            waiting = threading.Thread(target=lambda: found.append(client.analyze(study).study_score))
            waiting.start()
            with VcfClient(address, transport="volume", retry=NO_RETRY) as other, pytest.raises(ServerUnavailable):
                other.analyze(study)
            grpc_port, http_port, metrics_port = ports
            with TritonServer(
                narrow_repository, grpc_port=grpc_port, http_port=http_port, metrics_port=metrics_port
            ) as again:
                assert again.grpc_url == address
                waiting.join(60)
            assert set(found) == scores


def metrics(server: TritonServer) -> dict[str, float]:
    with urllib.request.urlopen(server.metrics_url, timeout=300) as answer:
        lines = answer.read().decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[:1] != "#")}


def held(server: TritonServer, ids: list[str]) -> None:
    """Take rooms as studies would whose data are still on the way."""

    async def admit() -> None:
        endpoint = Endpoint(server.grpc_url, Connection(), Blocking())
        for request_id in ids:
            await endpoint.admit(request_id, Priority.ROUTINE, 60)
        await endpoint.close()

    finish(admit())


@pytest.mark.parametrize("transport", ["volume", "crop", "shm"])
def test_urgent_study_finds_room_where_a_routine_one_does_not(
    narrow_repository: Path, study: Study, transport: str
) -> None:
    from vcf_server.server import TritonServer

    with TritonServer(narrow_repository) as server:
        held(server, ["one", "two"])
        with VcfClient(server.grpc_url, transport=transport, retry=NO_RETRY) as client:
            with pytest.raises(Overloaded) as full:
                client.analyze(study)
            assert full.value.after_s and full.value.after_s > 0
            assert client.analyze(study, priority="urgent").transport == transport
        assert metrics(server)["vcf_studies_in_flight"] == 2


def test_study_that_is_given_up_makes_room_and_none_of_its_steps_begins(narrow_repository: Path, study: Study) -> None:
    from vcf_server.server import TritonServer

    inputs = [(VOLUME, study.volume.hu), (SPACING_MM, np.array(study.volume.spacing_mm, np.float32))]

    async def give_up(address: str) -> None:
        endpoint = Endpoint(address, Connection(), Blocking())
        for request_id in ("one", "two"):
            await endpoint.admit(request_id, Priority.ROUTINE, 60)
        await endpoint.leave("one")
        until = time.monotonic() + 30
        while metrics(server)["vcf_studies_in_flight"] != 1 and time.monotonic() < until:
            time.sleep(0.01)
        with pytest.raises(Fault, match="no answer"):
            await endpoint.infer(prepare(VCF.name, "one", inputs, budget_s=60), 60)
        await endpoint.close()

    detections = 'nv_inference_exec_count{model="spinal_cord_detector",version="1"}'
    with TritonServer(narrow_repository) as server:
        warmed_up = metrics(server)[detections]
        finish(give_up(server.grpc_url))
        assert metrics(server)[detections] == warmed_up
        with VcfClient(server.grpc_url, transport="volume", retry=NO_RETRY) as client:
            assert client.analyze(study).patches


def crowd(address: str, study: Study, retry: Retry) -> list[Outcome]:
    """Twelve studies at once."""
    with VcfClient(address, transport="volume", retry=retry) as client:
        return list(client.analyze_many([study] * 12, concurrency=12))
