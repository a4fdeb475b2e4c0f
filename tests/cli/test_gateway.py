# SPDX-License-Identifier: Apache-2.0
"""``vcf gateway`` as a program: it takes a study from storage to results with the real server, and stops when told."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("pynetdicom", reason="the gateway's extra is not installed")

from tests.clients.ct_series import CtSeries
from tests.clients.gateway.conftest import wait_for
from tests.clients.gateway.dicomweb import DicomWeb, Manners, Status
from tests.clients.gateway.peers import Archive, store
from vcf_cli import main
from vcf_client.gateway.config import Config
from vcf_client.gateway.status import counts
from vcf_server.ports import free_port

if TYPE_CHECKING:
    from vcf_server.server import TritonServer


def write_settings(folder: Path, server: str = "127.0.0.1:1") -> tuple[Path, int, int]:
    """A configuration file, the gateway's port and the archive's."""
    port, archive_port = free_port(), free_port()
    path = folder / "gateway.toml"
    path.write_text(
        f'spool = "spool"\nport = {port}\nquiet_s = 0.5\nsettle_s = 0\nkeep_free_gib = 0.001\nserver = "{server}"\n'
        f'[pacs]\nhost = "127.0.0.1"\nport = {archive_port}\n'
    )
    return path, port, archive_port


@pytest.mark.server
@pytest.mark.slow
def test_a_study_through_the_real_server_and_back(triton_server: TritonServer, tmp_path: Path) -> None:
    settings, port, archive_port = write_settings(tmp_path, triton_server.grpc_url)
    archive = Archive()
    archive.start(archive_port)
    command = [sys.executable, "-m", "vcf_cli", "gateway", "run", "--config", str(settings)]
    gateway = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        wait_for((tmp_path / "spool" / "journal.sqlite").exists)
        series = CtSeries(slices=60)
        wait_for(lambda: set(store(port, series.images())) == {0x0000})
        wait_for(lambda: counts(tmp_path / "spool")["studies"] == {"done": 1})
    finally:
        gateway.send_signal(signal.SIGTERM)
        _, said = gateway.communicate(timeout=300)
        archive.stop()
    assert gateway.returncode == 0, said
    (report,), (picture,) = archive.of("SR"), archive.of("OT")
    assert report.StudyInstanceUID == picture.StudyInstanceUID == series.study_uid
    assert picture.pixel_array.ndim == 3
    assert "is analysed" in said and series.study_uid not in said


@pytest.mark.server
@pytest.mark.slow
def test_a_study_is_fetched_from_a_limited_service_and_one_that_is_short_is_named(
    triton_server: TritonServer, tmp_path: Path
) -> None:
    """Pages of 25 rows, 10 images an answer; of the second study, the upper third cannot be had."""
    whole, short = CtSeries(slices=60), CtSeries(slices=60)
    with DicomWeb([*whole.images(), *short.images()], Manners(page=25, most_images=10)) as service:

        def no_upper_third(path: str) -> None:
            if short.study_uid in path and "/instances/" in path and int(path.rpartition(".")[2]) > 40:
                raise Status(404)

        service.manners.before = no_upper_third
        settings, _, archive_port = write_settings(tmp_path, triton_server.grpc_url)
        text = "retry_first_s = 0.1\nmax_attempts = 3\n" + settings.read_text()
        settings.write_text(f'{text}[poll]\ndicomweb_url = "{service.url}"\nevery_s = 0.5\n[poll.filters]\n')
        archive = Archive()
        archive.start(archive_port)
        command = [sys.executable, "-m", "vcf_cli", "gateway", "run", "--config", str(settings)]
        gateway = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            assert gateway.stderr is not None
            assert "listening" in gateway.stderr.readline()
            wait_for(lambda: counts(tmp_path / "spool")["studies"] == {"done": 1, "refused": 1})
        finally:
            gateway.send_signal(signal.SIGTERM)
            _, said = gateway.communicate(timeout=300)
            archive.stop()
    assert counts(tmp_path / "spool")["refused"] == {"INCOMPLETE": 1}
    (report,) = archive.of("SR")
    assert report.StudyInstanceUID == whole.study_uid and len(archive.of("OT")) == 1
    (evidence,) = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
    assert len(evidence.ReferencedSOPSequence) == 60
    assert "stays short of 20 images" in said
    assert whole.study_uid not in said and short.study_uid not in said


def test_status_as_text_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings, *_ = write_settings(tmp_path)
    assert main(["gateway", "status", "--config", str(settings)]) == 1
    assert "no journal" in capsys.readouterr().err
    assert main(["gateway", "retry", "--config", str(settings)]) == 0
    assert capsys.readouterr().out == "0 studies will be analysed again\n"
    assert main(["gateway", "status", "--config", str(settings)]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "studies: none"
    assert main(["gateway", "status", "--config", str(settings), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == counts(Config.load(settings).spool)


def test_a_configuration_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gateway", "run", "--config", str(tmp_path / "none.toml")]) == 1
    assert "no configuration file" in capsys.readouterr().err


def test_faults_are_told_all_at_once_by_every_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text('spool = "s"\nport = 99999\nquite_s = 3\n[pacs]\nae_title = " A"\nhost = "a"\n')
    for verb in ("check", "run", "status", "retry"):
        assert main(["gateway", verb, "--config", str(path)]) == 64
        said = capsys.readouterr()
        assert said.out == ""
        lines = said.err.splitlines()
        assert all(line.startswith(f"vcf: {path}: ") for line in lines)
        assert [next(n for n in ("port", "quite_s", "ae_title") if n in line) for line in lines] == [
            "quite_s",
            "ae_title",
            "port",
        ]
    assert not (tmp_path / "s").exists()


def test_settings_without_faults(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings, port, archive_port = write_settings(tmp_path)
    assert main(["gateway", "check", "--config", str(settings)]) == 0
    said = capsys.readouterr().out
    assert "no fault" in said and f"port {port}" in said and f"port {archive_port}" in said
