# SPDX-License-Identifier: Apache-2.0
"""Compose on the CPU: what the README's reader does, and what happens when something dies."""

import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.containers import base
from tests.containers.compose import Compose, eventually, findings_in, free_ports
from tests.containers.engine import Engine
from vcf_client import VcfClient, read_study
from vcf_client.retry import NO_RETRY
from vcf_contract.errors import ServerUnavailable

pytestmark = pytest.mark.containers
NODE = base.ROOT / "clients" / "node"


@pytest.fixture(scope="module")
def compose(images: Engine, clone: Path) -> Iterator[Compose]:
    """A server that is healthy."""
    made = Compose(images, clone, *free_ports(3))
    try:
        made.up()
        yield made
    finally:
        made.down()


@pytest.fixture(scope="module")
def study(compose: Compose, phantom: Path) -> str:
    """The name of a study in the clone, without ``./``."""
    shutil.copytree(phantom, compose.clone / "a-study")
    return "a-study"


def test_a_study_in_a_fresh_clone(compose: Compose, study: str) -> None:
    """The command of the docs: a bare name, and no folder for the results yet."""
    assert not (compose.clone / "out").exists()
    status, said = compose.run("deploy/analyze", study)
    assert status == 0, said
    found = findings_in(compose.clone / "out")
    assert found["patches"]
    assert (compose.clone / "out" / "report.html").exists()


def test_without_a_place_for_results_nothing_is_analysed(compose: Compose, study: str) -> None:
    """Docker would make the folder as root, and the client could not write after the analysis."""
    environment = {"STUDY": str(compose.clone / study), "OUT": str(compose.clone / "not-there")}
    status, said = compose.run("docker-compose", "run", "--rm", "client", **environment)
    assert status != 0
    assert "not-there" in said
    assert not (compose.clone / "not-there").exists()
    assert compose.run("deploy/analyze", "no-such-study")[0] == 64


@pytest.mark.parametrize("transport", ["crop", "volume", "dicom"])
def test_each_transport_gives_the_same_score(compose: Compose, study: str, transport: str) -> None:
    status, said = compose.run("deploy/analyze", study, f"out-{transport}", "--transport", transport)
    assert status == 0, said
    scores = [findings_in(compose.clone / name)["study_score"] for name in ("out", f"out-{transport}")]
    assert scores[0] == pytest.approx(scores[1], abs=1e-5)


def test_the_node_client(compose: Compose, phantom: Path, tmp_path: Path) -> None:
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("node and npm are not installed")
    if not (NODE / "node_modules").exists():
        install = ["npm", "install", "--no-package-lock", "--ignore-scripts", "--omit=dev", "--loglevel=error"]
        subprocess.run(install, cwd=NODE, check=True, capture_output=True, timeout=300)
    command = ["node", "bin/vcf-analyze.js", str(phantom), "--server", compose.address]
    done = subprocess.run(
        [*command, "--json", str(tmp_path / "f.json")], cwd=NODE, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    ours = findings_in(compose.clone / "out")["study_score"]
    assert json.loads((tmp_path / "f.json").read_text())["study_score"] == pytest.approx(ours, abs=1e-5)


def test_stopping_lets_studies_end(compose: Compose, phantom: Path) -> None:
    """``docker stop`` under load: what the server has taken it answers, and what it has not taken fails at once."""
    study = read_study(phantom)
    answered: list[int] = []
    refused: list[Exception] = []
    others: list[Exception] = []
    stop = threading.Event()

    def work() -> None:
        with VcfClient(compose.address, transport="volume", retry=NO_RETRY, deadline_s=60) as client:
            while not stop.is_set():
                try:
                    client.analyze(study)
                except Exception as error:
                    # Triton's own words for a model that is unloaded are NOT_FOUND.
                    gone = isinstance(error, ServerUnavailable) or "NOT_FOUND" in str(error)
                    (refused if gone else others).append(error)
                    return
                answered.append(1)

    with ThreadPoolExecutor(4) as threads:
        for _ in range(4):
            threads.submit(work)
        assert eventually(lambda: len(answered) > 8, 120)
        compose.engine.docker("stop", compose.container)
        stop.set()
    assert not others, others[0]
    assert refused, "the load ended before the server did"
    assert compose.run("docker-compose", "--profile", "cpu", "up", "--detach", "--no-build", "triton-cpu")[0] == 0
    assert eventually(lambda: compose.health() == "healthy", 180)


def test_a_killed_python_process_comes_back_and_one_that_hangs_is_seen(compose: Compose) -> None:
    """Triton itself goes on to say that it is ready, and brings back nothing."""

    def process() -> list[psutil.Process]:
        first = int(compose.engine.docker("inspect", "--format", "{{.State.Pid}}", compose.container))
        found = []
        for each in psutil.Process(first).children(recursive=True) if first else []:
            with suppress(psutil.Error):  # one that was killed may not have been waited for yet
                found += [each] * ("/models/fracture_findings/1/model.py" in each.cmdline())
        return found

    def started() -> str:
        return compose.engine.docker("inspect", "--format", "{{.State.StartedAt}}", compose.container)

    # Triton may have ended by itself where the machine is very busy, and been started anew.
    assert eventually(lambda: bool(process()) and compose.health() == "healthy", 180), compose.log()
    before, (killed, *_) = started(), process()
    killed.kill()
    assert eventually(lambda: bool(process()) and killed not in process(), 60), compose.log()
    assert "the model fracture_findings is back" in compose.log() and started() == before
    process()[0].suspend()
    ready = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8000/v2/health/ready').status)"
    time.sleep(1)
    assert compose.engine.docker("exec", compose.container, "python3", "-c", ready).strip() == "200"
    assert eventually(lambda: compose.health() == "unhealthy", 180), compose.log()
