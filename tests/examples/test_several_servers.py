# SPDX-License-Identifier: Apache-2.0
"""Over TLS with a key, against gRPC servers that hand requests on to Triton."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

from tests.clients.certificates import Certificates
from tests.clients.ct_series import CtSeries
from tests.examples.conftest import Run
from tests.test_recipes import Relay
from vcf_client.security import API_KEY_PREFIX
from vcf_server.server import TritonServer

pytestmark = pytest.mark.server
KEY = (f"{API_KEY_PREFIX}vcf-key", "s3cret")


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    """What the program finds in its folder, too."""
    made = Certificates.make(tmp_path)
    pki = tmp_path / "pki"
    pki.mkdir()
    for name, file in (("ours-ca", "ca.pem"), ("ours-client", "client.pem"), ("ours-client-key", "client-key.pem")):
        shutil.copy(made.path(name), pki / file)
    (pki / "api-key").write_text("vcf-key=s3cret\n")
    return made


@contextmanager
def secured(certificates: Certificates, relay: Relay) -> Iterator[str]:
    own = certificates.path("ours-server-key").read_bytes(), certificates.path("ours-server").read_bytes()
    credentials = grpc.ssl_server_credentials([own], certificates.path("ours-ca").read_bytes(), True)
    server = grpc.server(ThreadPoolExecutor(2), options=[("grpc.max_receive_message_length", -1)])
    server.add_generic_rpc_handlers((relay,))
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


def test_a_server_that_is_gone_is_passed_over(
    run: Run, study: Path, triton_server: TritonServer, certificates: Certificates, tmp_path: Path
) -> None:
    relay = Relay(triton_server.grpc_url, KEY)
    with secured(certificates, Relay(triton_server.grpc_url, KEY)) as gone:
        pass
    with secured(certificates, relay) as there:
        done = run("several_servers", tmp_path / "pki", study, gone, there)
    assert done.returncode == 0, done.stderr + done.stdout
    assert done.stdout.split(",")[0] in ("positive", "negative") and relay.calls


def test_outcomes_are_told_apart(
    run: Run, study: Path, triton_server: TritonServer, certificates: Certificates, tmp_path: Path
) -> None:
    CtSeries(slices=60, elements={"Modality": "MR"}).write(tmp_path / "other")
    with secured(certificates, Relay(triton_server.grpc_url, KEY)) as there:
        refused = run("several_servers", tmp_path / "pki", tmp_path / "other", there)
        (tmp_path / "pki" / "api-key").write_text("vcf-key=wrong\n")
        denied = run("several_servers", tmp_path / "pki", study, there)
    assert (refused.returncode, refused.stdout) == (2, "the study: NOT_CT\n")
    assert (denied.returncode, denied.stdout) == (3, "the servers: ACCESS_DENIED\n")
