# SPDX-License-Identifier: Apache-2.0
"""``vcf gateway`` as a program: it takes a study from storage to results with the real server, and stops when told."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("pynetdicom", reason="the gateway's extra is not installed")

from clients.gateway.config import Config
from clients.gateway.status import counts
from tests.clients.ct_series import CtSeries
from tests.clients.gateway.conftest import wait_for
from tests.clients.gateway.orthanc import free_port
from tests.clients.gateway.peers import Archive, store
from vcf.cli import main

if TYPE_CHECKING:
    from vcf.serve.server import TritonServer


def write_settings(folder: Path, server: str = "127.0.0.1:1") -> tuple[Path, int, int]:
    """A configuration file, the gateway's port and the archive's."""
    port, archive_port = free_port(), free_port()
    path = folder / "gateway.toml"
    path.write_text(
        f'spool = "spool"\nport = {port}\nquiet_s = 0.5\nkeep_free_gib = 0.001\nserver = "{server}"\n'
        f'[pacs]\nhost = "127.0.0.1"\nport = {archive_port}\n'
    )
    return path, port, archive_port


@pytest.mark.server
@pytest.mark.slow
def test_a_study_through_the_real_server_and_back(triton_server: TritonServer, tmp_path: Path) -> None:
    settings, port, archive_port = write_settings(tmp_path, triton_server.grpc_url)
    archive = Archive()
    archive.start(archive_port)
    command = [sys.executable, "-m", "vcf", "gateway", "run", "--config", str(settings)]
    gateway = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        wait_for((tmp_path / "spool" / "journal.sqlite").exists)
        series = CtSeries(slices=60)
        time.sleep(0.5)
        assert set(store(port, series.images())) == {0x0000}
        wait_for(lambda: counts(tmp_path / "spool")["studies"] == {"done": 1})
    finally:
        gateway.send_signal(signal.SIGTERM)
        _, said = gateway.communicate(timeout=30)
        archive.stop()
    assert gateway.returncode == 0, said
    (report,), (picture,) = archive.of("SR"), archive.of("OT")
    assert report.StudyInstanceUID == picture.StudyInstanceUID == series.study_uid
    assert picture.pixel_array.ndim == 3
    assert "is analysed" in said and series.study_uid not in said


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
