# SPDX-License-Identifier: Apache-2.0
"""Ray on two hosts, each with its own Triton server; one is cut off while it works.

Run by hand, with nothing beside it: ``VCF_TEST_TWO_NODES=1``. It takes three minutes, most of them for Ray to give a
silent node up, and Ray takes a node whose processors are busy for a silent one. A task that was under way there may
take Ray longer: its connection is asked for a sign of life every five minutes (``grpc_client_keepalive_time_ms``).
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.clients.ct_series import CtSeries
from tests.screening import networks
from tests.screening.networks import Host, TwoHosts
from tests.screening.results import frame, rows

pytestmark = [pytest.mark.slow, pytest.mark.server]
RAY = Path(sys.executable).with_name("ray")
STUDIES = 120
RAY_PORT, SERVER_PORT = 6379, 8001
"""Each host's own: nothing else listens in its network."""


def wait(condition: Callable[[], bool], log: Path, longest_s: float = 900.0) -> None:
    deadline_s = time.monotonic() + longest_s
    while not condition():
        assert time.monotonic() < deadline_s, log.read_text()[-3000:]
        time.sleep(0.2)


def at_work(host: Host) -> bool:
    """Whether a study is being screened there now."""
    pids = subprocess.run(["ip", "netns", "pids", host.name], capture_output=True, text=True, check=True).stdout.split()
    for pid in pids:
        with suppress(OSError):  # it has ended
            if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"ray::screen_study"):
                return True
    return False


def start_node(host: Host, words: list[str], folder: Path) -> Path:
    """A server and a node of Ray with one processor, ready or nearly so."""
    log = folder / f"{host.address}.log"
    host.start([RAY, "start", "--block", "--num-cpus=1", f"--node-ip-address={host.address}", *words], log)
    return log


@pytest.mark.skipif("VCF_TEST_TWO_NODES" not in os.environ, reason="takes a machine for itself: VCF_TEST_TWO_NODES=1")
@pytest.mark.skipif(not RAY.exists(), reason="Ray is not installed")
def test_a_node_that_is_cut_off_while_it_works_loses_no_study(tiny_repository: Path, tmp_path: Path) -> None:
    if reason := networks.can_be_made():
        pytest.skip(reason)
    for number in range(STUDIES):
        spacing = round(5.5 + 1.5 * number / STUDIES, 4)
        uid = f"1.2.826.0.1.3680043.8.498.{number}"
        elements: dict[str, object] = {"PatientID": f"P{number}", "PixelSpacing": [spacing, spacing]}
        CtSeries(slices=26, size=64, elements=elements, study_uid=uid, series_uid=f"{uid}.1").write(
            tmp_path / "archive" / str(number)
        )
    out, log = tmp_path / "out", tmp_path / "screen.log"
    with TwoHosts(tmp_path) as hosts:
        logs = []
        for host, words in (
            (hosts.one, ["--head", f"--port={RAY_PORT}", "--include-dashboard=false"]),
            (hosts.other, [f"--address={hosts.one.address}:{RAY_PORT}"]),
        ):
            serve = [sys.executable, "-m", "vcf_cli", "serve", "--repository", tiny_repository]
            host.start([*serve, "--grpc-port", SERVER_PORT], tmp_path / f"{host.name}-server.log")
            logs.append(start_node(host, words, tmp_path))
            wait(lambda: "Ray runtime started" in logs[-1].read_text(), logs[-1])
        address = f"{hosts.one.address}:{RAY_PORT}"
        options = ["--server", f"127.0.0.1:{SERVER_PORT}", "--ray", address, "--tries", 8]
        screen = [sys.executable, "-m", "vcf_cli", "screen", tmp_path / "archive", "--out", out, *options]
        driver = hosts.one.start(screen, log)
        wait(lambda: driver.poll() is not None or rows(out) > STUDIES // 4, log)
        wait(lambda: driver.poll() is not None or at_work(hosts.other), log)
        assert driver.poll() is None, log.read_text()[-3000:]
        hosts.other.cut_off()
        wait(lambda: driver.poll() is not None, log)
        assert driver.returncode == 0, log.read_text()[-3000:]
    found = frame(out)
    assert len(found) == STUDIES and found["study"].is_unique
    assert (found["state"] == "analysed").all() and found["score"].nunique() > STUDIES // 2
    assert not list((out / "failed").glob("*.parquet"))
    assert found["attempts"].max() > 1, "nothing was under way on the node that was cut off"
