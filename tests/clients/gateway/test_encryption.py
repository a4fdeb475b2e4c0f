# SPDX-License-Identifier: Apache-2.0
"""DICOM over TLS in both directions, and the key and certificates of calls of the server."""

import ssl
from dataclasses import replace
from pathlib import Path

import pytest

from tests.clients.certificates import Certificates
from tests.clients.ct_series import CtSeries
from tests.clients.gateway.conftest import wait_for
from tests.clients.gateway.fake_analyzer import FakeAnalyzer
from tests.clients.gateway.peers import Archive, store
from vcf_client import VcfClient
from vcf_client.gateway.config import Config, DicomTls, Tls
from vcf_client.gateway.encryption import calling, listening, security
from vcf_client.gateway.service import Gateway
from vcf_client.gateway.status import counts
from vcf_contract.errors import SetupError


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def own(certificates: Certificates) -> DicomTls:
    """Of a gateway that wants to know who calls."""
    return DicomTls(
        str(certificates.path("ours-server")),
        str(certificates.path("ours-server-key")),
        str(certificates.path("ours-ca")),
    )


def caller(certificates: Certificates, client: str = "") -> ssl.SSLContext:
    """Trusts our authority; with a certificate of its own if one is named."""
    context = ssl.create_default_context(cafile=str(certificates.path("ours-ca")))
    if client:
        context.load_cert_chain(certificates.path(f"{client}-client"), certificates.path(f"{client}-client-key"))
    return context


def test_only_callers_with_our_certificate_store_anything(
    config: Config, analyzer: FakeAnalyzer, certificates: Certificates, own: DicomTls
) -> None:
    (image,) = CtSeries(slices=1).images()
    with Gateway(replace(config, dicom_tls=own), analyzer):
        assert store(config.port, [image]) == [None], "plain"
        assert store(config.port, [image], context=caller(certificates)) == [None], "nobody's certificate"
        assert store(config.port, [image], context=caller(certificates, "strangers")) == [None], "another authority's"
        assert not list(config.spool.glob("incoming/*/*"))
        assert store(config.port, [image], context=caller(certificates, "ours")) == [0x0000]


def test_without_an_authority_everybody_may_call_encrypted(
    config: Config, analyzer: FakeAnalyzer, certificates: Certificates, own: DicomTls
) -> None:
    (image,) = CtSeries(slices=1).images()
    with Gateway(replace(config, dicom_tls=replace(own, ca="")), analyzer):
        assert store(config.port, [image], context=caller(certificates)) == [0x0000]


@pytest.mark.slow
def test_results_go_over_tls_to_the_pacs_that_is_meant(
    config: Config, analyzer: FakeAnalyzer, certificates: Certificates, own: DicomTls
) -> None:
    """The archive wants our certificate, and has one for its host; one of another authority gets nothing."""
    pacs = replace(config.pacs, tls=True, ca_file=str(certificates.path("ours-ca")))
    archive = Archive()
    archive.start(config.pacs.port, listening(own))
    theirs = [str(certificates.path(name)) for name in ("strangers-server", "strangers-server-key")]
    stranger = listening(DicomTls(*theirs))
    try:
        with Gateway(replace(config, pacs=pacs, dicom_tls=own), analyzer):
            assert set(store(config.port, CtSeries().images(), context=caller(certificates, "ours"))) == {0x0000}
            wait_for(lambda: len(archive.got) == 2)
            archive.stop()
            archive = Archive()
            archive.start(config.pacs.port, stranger)
            store(config.port, CtSeries().images(), context=caller(certificates, "ours"))
            wait_for(lambda: counts(config.spool)["not_delivered"])
            assert not archive.got
    finally:
        archive.stop()


def test_files_that_are_no_certificates_are_named(tmp_path: Path, own: DicomTls, config: Config) -> None:
    empty = tmp_path / "empty.pem"
    empty.touch()
    with pytest.raises(SetupError, match=r"\[dicom_tls\] certificate and key cannot be used"):
        listening(replace(own, certificate=str(empty)))
    with pytest.raises(SetupError, match=r"\[dicom_tls\] ca holds no certificates"):
        listening(replace(own, ca=str(empty)))
    with pytest.raises(SetupError, match=r"\[pacs\] ca_file holds no certificates"):
        calling(replace(config.pacs, tls=True, ca_file=str(empty)), None)


@pytest.mark.server
@pytest.mark.slow
def test_a_server_with_mutual_tls_and_a_key(
    tiny_repository: Path, certificates: Certificates, config: Config, tmp_path: Path
) -> None:
    from vcf_server.server import TritonServer

    key_file = tmp_path / "key"
    key_file.write_text("vcf=a-secret\n")
    options = [
        "--grpc-use-ssl=1",
        "--grpc-use-ssl-mutual=1",
        f"--grpc-server-cert={certificates.path('ours-server')}",
        f"--grpc-server-key={certificates.path('ours-server-key')}",
        f"--grpc-root-cert={certificates.path('ours-ca')}",
        "--grpc-restricted-protocol=inference,health:vcf=a-secret",
    ]
    tls = Tls(*(str(certificates.path(name)) for name in ("ours-ca", "ours-client", "ours-client-key")))
    with TritonServer(tiny_repository, extra_args=options) as server:
        whole = replace(config, server=server.grpc_url, tls=tls, api_key_file=str(key_file))
        for settings, expected in ((whole, True), (replace(whole, api_key_file=""), False), (config, False)):
            with VcfClient(server.grpc_url, security=security(settings)) as client:
                assert client.is_ready() is expected
