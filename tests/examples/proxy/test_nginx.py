# SPDX-License-Identifier: Apache-2.0
"""The real nginx with the example's settings before the real server: studies go through, what ends Triton does not."""

import http.client
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import grpc
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc

from tests.clients.ct_series import CtSeries
from tests.examples.conftest import EXAMPLES
from vcf_client import VcfClient
from vcf_contract.contract import DICOM_FILES, STUDY_SCORE, VCF_DICOM
from vcf_server.ports import free_port
from vcf_server.server import TritonServer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.server,
    pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed (Debian: nginx-light)"),
]
INFER = f"/v2/models/{VCF_DICOM.name}/infer"
BYTES = {"Content-Type": "application/octet-stream"}


@pytest.fixture(scope="module")
def proxy(triton_server: TritonServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    """Ports of HTTP and gRPC."""
    folder = tmp_path_factory.mktemp("nginx")
    ports = free_port(), free_port()
    text = (EXAMPLES / "proxy" / "nginx.conf").read_text("utf-8")
    for example, here in zip(
        (8000, 8001, 8080, 8081), (triton_server.http_port, triton_server.grpc_port, *ports), strict=True
    ):
        assert text.count(f"127.0.0.1:{example}") == 1
        text = text.replace(f"127.0.0.1:{example}", f"127.0.0.1:{here} ", 1)
    (folder / "nginx.conf").write_text(text, "utf-8")
    words = ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-g", "daemon off;"]
    subprocess.run([*words, "-t"], check=True, capture_output=True)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log)
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", ports[0]), 1).close()
                break
            except OSError:
                assert process.poll() is None, (folder / "log").read_text()
                time.sleep(0.05)
        yield ports
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ct") / "study"
    CtSeries().write(folder)
    return folder


def answer(
    port: int, method: str, path: str, body: Any = None, headers: Mapping[str, str] = MappingProxyType({})
) -> tuple[int, bytes]:
    """Status and content; a server that has enough of a body answers before all of it is sent."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    try:
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.request(method, path, body, dict(headers), encode_chunked=isinstance(body, Iterator))
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def request_of(study: Path) -> tuple[bytes, dict[str, str]]:
    files = [path.read_bytes() for path in sorted(study.iterdir())]
    tensor = b"".join(len(file).to_bytes(4, "little") + file for file in files)
    given = {"name": DICOM_FILES.name, "datatype": "BYTES", "shape": [len(files)]}
    head = json.dumps({"inputs": [given | {"parameters": {"binary_data_size": len(tensor)}}]}).encode()
    return head + tensor, BYTES | {"Inference-Header-Content-Length": str(len(head))}


def test_studies_go_through_by_both_protocols(proxy: tuple[int, int], study: Path, triton_server: TritonServer) -> None:
    with VcfClient(triton_server.grpc_url) as straight, VcfClient(f"127.0.0.1:{proxy[1]}") as through:
        expected = straight.analyze(study).study_score
        assert through.analyze(study).study_score == expected
    status, said = answer(proxy[0], "POST", INFER, *request_of(study))
    outputs = {output["name"]: output for output in json.loads(said)["outputs"]}
    assert status == 200 and outputs[STUDY_SCORE.name]["data"] == pytest.approx([expected], abs=1e-6)
    assert answer(proxy[0], "GET", "/v2/health/ready")[0] == 200


def pieces(study: Path) -> Iterator[bytes]:
    body, _ = request_of(study)
    for place in range(0, len(body), 1000):
        yield body[place : place + 1000]


def test_a_body_in_pieces_comes_in_one(proxy: tuple[int, int], study: Path) -> None:
    _, headers = request_of(study)
    assert answer(proxy[0], "POST", INFER, pieces(study), headers | {"Transfer-Encoding": "chunked"})[0] == 200


BRACKETS = b"[" * 2_000_000


@pytest.mark.parametrize(
    ("status", "method", "path", "body", "headers"),
    [
        (415, "POST", INFER, b"a" * 6_000_000, {"Content-Type": "application/x-www-form-urlencoded"}),
        (415, "POST", INFER, BRACKETS, {"Content-Type": "application/json"}),
        (411, "POST", INFER, BRACKETS, BYTES),
        (411, "POST", INFER, BRACKETS, BYTES | {"Inference-Header-Content-Length": str(len(BRACKETS))}),
        (403, "POST", "/v2/models/patch_encoder/infer", b"{}", {"Content-Type": "application/json"}),
        (403, "POST", "/v2/repository/index", b"{}", {}),
        (403, "POST", "/v2/systemsharedmemory/region/x/register", b"{}", {}),
        (403, "GET", "/v2/trace/setting", None, {}),
        (403, "GET", "/v2/logging", None, {}),
        (403, "GET", "/metrics", None, {}),
        (403, "GET", INFER, None, {}),
        (403, "POST", "/v2/health/ready", b"{}", {}),
    ],
    ids=lambda value: None if isinstance(value, bytes | dict) else str(value),
)
def test_what_is_kept_off(
    proxy: tuple[int, int],
    triton_server: TritonServer,
    status: int,
    method: str,
    path: str,
    body: bytes | None,
    headers: dict[str, str],
) -> None:
    assert answer(proxy[0], method, path, body, headers)[0] == status
    assert answer(triton_server.http_port, "GET", "/v2/health/ready")[0] == 200


def test_grpc_lets_inference_and_health_through_alone(proxy: tuple[int, int]) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{proxy[1]}") as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        assert stub.ServerReady(service_pb2.ServerReadyRequest(), timeout=60).ready
        for call, request in [
            (stub.RepositoryIndex, service_pb2.RepositoryIndexRequest()),
            (stub.SystemSharedMemoryStatus, service_pb2.SystemSharedMemoryStatusRequest()),
            (stub.LogSettings, service_pb2.LogSettingsRequest()),
        ]:
            with pytest.raises(grpc.RpcError) as caught:
                call(request, timeout=60)
            assert caught.value.code() == grpc.StatusCode.PERMISSION_DENIED
