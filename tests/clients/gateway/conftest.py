# SPDX-License-Identifier: Apache-2.0
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.clients.gateway.clock import Clock
from tests.clients.gateway.fake_analyzer import FakeAnalyzer
from tests.clients.gateway.orthanc import Orthanc
from tests.clients.gateway.peers import Archive
from vcf_client.gateway.config import Config, Pacs
from vcf_client.gateway.status import counts
from vcf_server.ports import free_port

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Of a quick gateway with nobody to send to."""
    return Config(
        spool=tmp_path / "spool",
        pacs=Pacs("PACS", "127.0.0.1", free_port()),
        port=free_port(),
        quiet_s=0.3,
        quiet_after_abort_s=2.0,
        settle_s=0.0,
        keep_free_gib=0.001,
        retry_first_s=0.1,
        retry_longest_s=0.5,
    )


@pytest.fixture
def archive(config: Config) -> Iterator[Archive]:
    """What the gateway of ``config`` sends to."""
    archive = Archive()
    archive.start(config.pacs.port)
    yield archive
    archive.stop()


@pytest.fixture
def analyzer() -> FakeAnalyzer:
    return FakeAnalyzer()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The time of journal and intake."""
    return Clock(monkeypatch, "vcf_client.gateway.journal", "vcf_client.gateway.intake")


def wait_for(condition: Callable[[], Any], timeout_s: float = 120.0, what: str = "the condition") -> Any:
    """The first true value of a condition."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.1)
    raise AssertionError(f"{what} did not come within {timeout_s:g} s")


class GatewayProcess:
    """A gateway with made-up findings in a process of its own, to be killed and started again."""

    def __init__(self, folder: Path, config: Config, takes_s: float = 0.0) -> None:
        self.config, self.notes, self.log = config, folder / "notes", folder / "gateway.log"
        self.notes.touch()
        self._settings, self._takes_s = folder / "gateway.toml", takes_s
        write_toml(config, self._settings)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        seen = self.log.read_text().count("listening") if self.log.exists() else 0
        command = [sys.executable, "-m", "tests.clients.gateway.fake_analyzer"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, str(self._settings), str(self.notes), str(self._takes_s)],
                cwd=REPOSITORY,
                stdout=log,
                stderr=log,
            )
        process = self._process
        wait_for(
            lambda: self.log.read_text().count("listening") > seen or process.poll() is not None, what="the gateway"
        )
        assert process.poll() is None, self.log.read_text()

    def kill(self) -> None:
        """As ``kill -9`` does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(120)
            except subprocess.TimeoutExpired:
                self.kill()

    def counts(self) -> dict[str, Any]:
        return counts(self.config.spool)


def write_toml(config: Config, path: Path) -> None:
    """Settings as a file, in the form of docs/gateway.md."""

    def table(of: Any) -> str:
        plain = {
            name: value for name, value in vars(of).items() if isinstance(value, str | int | float) and value != ""
        }
        return "".join(f"{name} = {json.dumps(value)}\n" for name, value in plain.items() if value != "")

    text = f'spool = "{config.spool}"\n' + table(config)
    path.write_text(text + "[pacs]\n" + table(config.pacs))


@contextmanager
def running(process: GatewayProcess) -> Iterator[GatewayProcess]:
    process.start()
    try:
        yield process
    finally:
        process.stop()


@pytest.fixture
def orthanc(tmp_path: Path, config: Config) -> Iterator[Orthanc]:
    """A PACS that knows the gateway of ``config`` as modality ``vcf``, and storescu as one more."""
    with Orthanc(tmp_path / "orthanc", {"vcf": ("VCF", config.port), "storescu": ("STORESCU", 1)}) as pacs:
        yield pacs


@pytest.fixture
def to_orthanc(config: Config, orthanc: Orthanc) -> Config:
    """The same gateway, with that PACS to send results to."""
    return replace(config, pacs=Pacs(orthanc.ae_title, "127.0.0.1", orthanc.dicom_port))
