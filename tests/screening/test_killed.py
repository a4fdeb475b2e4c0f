# SPDX-License-Identifier: Apache-2.0
"""Killed at random, as by ``kill -9``: a worker, the driver, Triton, the PACS. Each study has one row all the same.

Run by hand, with nothing beside it: ``VCF_TEST_SCREENED=60``, or 500 as the docs have it. Ray takes a machine whose
processors are busy for one that is dead, and ends the run itself.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.clients.ct_series import CtSeries
from tests.clients.gateway.orthanc import Orthanc
from tests.clients.test_trouble_served import tritons_pid
from tests.screening.results import frame, rows
from vcf_client.dicom.privacy import HASH_KEY_VARIABLE
from vcf_screening.rows import TIMINGS
from vcf_server.ports import free_port

if TYPE_CHECKING:
    from vcf_server.server import TritonServer

pytestmark = [pytest.mark.slow, pytest.mark.server]
STUDIES, SEED = int(os.environ.get("VCF_TEST_SCREENED", "30")), int(os.environ.get("VCF_TEST_SEED", "22"))
UNEQUAL = [*TIMINGS, "attempts", "screened_at"]
"""Columns that no two runs have alike."""
LONGEST_S = 60.0 + 20.0 * STUDIES


class Archive:
    """Orthanc with the studies, and a Triton server, each on one port for good."""

    def __init__(self, folder: Path, repository: Path) -> None:
        self.orthanc = Orthanc(folder / "orthanc", {})
        self._repository, self._port = repository, free_port()
        self.server = self._new_server()

    def _new_server(self) -> "TritonServer":
        from vcf_server.server import TritonServer

        return TritonServer(self._repository, grpc_port=self._port)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    def fill(self, folder: Path) -> None:
        """No two studies alike; every tenth too short, so that it is refused."""
        for number in range(STUDIES):
            pixel_mm = round(5.5 + 1.5 * number / STUDIES, 4)
            elements: dict[str, object] = {"PatientID": f"P{number}", "PixelSpacing": [pixel_mm, pixel_mm]}
            slices = 6 if number % 10 == 9 else 26
            uid = f"1.2.826.0.1.3680043.8.498.{number}"
            series = CtSeries(slices=slices, size=64, elements=elements, study_uid=uid, series_uid=f"{uid}.1")
            self.orthanc.upload(series.write(folder / str(number)))

    def kill_orthanc(self) -> None:
        process = self.orthanc._process
        assert process is not None
        process.kill()
        process.wait()
        time.sleep(1)
        self.orthanc.__enter__()

    def kill_triton(self) -> None:
        os.kill(tritons_pid(self.server), signal.SIGKILL)
        self.server.wait(300)
        self.server.__exit__(None, None, None)
        self.server = self._new_server()
        self.server.__enter__()


class Screening:
    """The command, in a process of its own."""

    def __init__(self, archive: Archive, out: Path, log: Path) -> None:
        self.out, self._log = out, log
        options = ["--server", archive.address, "--workers", "2", "--tries", "8"]
        url = archive.orthanc.dicomweb_url
        self._command = [sys.executable, "-m", "vcf_cli", "screen", url, "--out", str(out), *options]
        self.start()

    def start(self) -> None:
        environment = {**os.environ, HASH_KEY_VARIABLE: "the same in both runs"}
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=log, env=environment)

    def __enter__(self) -> "Screening":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    def kill_driver(self) -> None:
        self.process.kill()
        self.process.wait()
        self.start()

    def kill_worker(self) -> None:
        """One that works, or waits for work."""
        deadline_s = time.monotonic() + 120
        while time.monotonic() < deadline_s:
            below = psutil.Process(self.process.pid).children(recursive=True)
            workers = [each for each in below if _name(each).startswith("ray::")]
            busy = [each for each in workers if "IDLE" not in _name(each)]
            if workers:
                random.choice(busy or workers).send_signal(signal.SIGKILL)
                return
            time.sleep(0.2)
        raise AssertionError("there is no worker")

    def wait(self, condition: Callable[[], bool]) -> None:
        deadline_s = time.monotonic() + LONGEST_S
        while not condition():
            assert time.monotonic() < deadline_s, self._log.read_text()[-2000:]
            if self.process.poll() not in (None, 0):
                raise AssertionError(self._log.read_text()[-2000:])
            time.sleep(0.1)


def _name(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory, tiny_repository: Path) -> Iterator[Archive]:
    folder = tmp_path_factory.mktemp("archive")
    archive = Archive(folder, tiny_repository)
    with archive.orthanc:
        archive.fill(folder / "files")
        archive.server.__enter__()
        try:
            yield archive
        finally:
            archive.server.__exit__(None, None, None)


@pytest.mark.skipif("VCF_TEST_SCREENED" not in os.environ, reason="takes a machine for itself: VCF_TEST_SCREENED=60")
def test_each_study_once_and_the_same_whatever_is_killed(archive: Archive, tmp_path: Path) -> None:
    with Screening(archive, tmp_path / "undisturbed", tmp_path / "undisturbed.log") as undisturbed:
        undisturbed.wait(lambda: undisturbed.process.poll() == 0)
    chance = random.Random(SEED)
    random.seed(SEED)
    with Screening(archive, tmp_path / "disturbed", tmp_path / "disturbed.log") as disturbed:
        kills = [disturbed.kill_worker, disturbed.kill_driver, archive.kill_triton, archive.kill_orthanc]
        kills.append(chance.choice(kills))
        chance.shuffle(kills)
        moments = sorted(chance.sample(range(1, int(0.8 * STUDIES)), len(kills)))
        for moment, kill in zip(moments, kills, strict=True):
            disturbed.wait(lambda moment=moment: rows(disturbed.out) >= moment)
            print(f"{kill.__name__} at {rows(disturbed.out)} of {STUDIES}")
            kill()
        disturbed.wait(lambda: disturbed.process.poll() == 0)
    one, other = (frame(run.out).sort_values("study") for run in (undisturbed, disturbed))
    assert len(other) == STUDIES and other["study"].is_unique
    assert not list((disturbed.out / "failed").glob("*.parquet"))
    assert (one["state"] == "refused").sum() == STUDIES // 10 and one["score"].nunique() > STUDIES // 2
    same, as_before = (run.drop(columns=UNEQUAL).to_json(orient="records", double_precision=15) for run in (one, other))
    assert as_before == same
    print(f"attempts: {dict(other['attempts'].value_counts())}")


def test_nothing_of_a_patient_outside_the_private_folder(archive: Archive, tmp_path: Path) -> None:
    """Every file of the result, Ray's logs of the run, and what the command said."""
    log = tmp_path / "log"
    with Screening(archive, tmp_path / "out", log) as run:
        run.wait(lambda: run.process.poll() == 0)
    session = Path("/tmp/ray/session_latest").resolve()
    secrets = [b"1.2.826.0.1.3680043.8.498", b"M\xc3\xbcller", b"M\xfcller", b"19500102", b"20200229"]
    outside = [path for path in (tmp_path / "out").rglob("*") if path.is_file() and "private" not in path.parts]
    logs = [path for path in (session / "logs").rglob("*") if path.is_file()]
    assert outside and logs
    for path in (*outside, *logs, log):
        content = path.read_bytes()
        assert not [secret for secret in secrets if secret in content], path.name
    assert (tmp_path / "out" / "private").stat().st_mode & 0o077 == 0
