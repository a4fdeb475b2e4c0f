# SPDX-License-Identifier: Apache-2.0
"""A server and a client at work for a long time: neither may grow.

The client is a process of its own that reads DICOM files and has them analysed, and rests three sevenths as long as
each study took: 70 % load, however fast the machine is.
"""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean

from vcf_benchmarks.drills.figures import Line
from vcf_benchmarks.harness.memory import SHARED, private_bytes, server_processes, shared_bytes
from vcf_benchmarks.harness.studies import demo_series
from vcf_client import VcfClient
from vcf_client.memory import keep_large_blocks
from vcf_server.assets import MODEL_REPOSITORY
from vcf_server.guard import SHARED_MEMORY
from vcf_server.server import TritonServer

LOAD = 0.7
EVERY_S = 5.0
SETTLES_S = 600.0
"""Before that memory may grow: caches fill, heaps find their size."""
MOST_GROWTH = 0.02
CLIENT = "client"


@dataclass
class Samples:
    """Memory by process and time."""

    at_s: list[float] = field(default_factory=list)
    nbytes: dict[str, list[int]] = field(default_factory=dict)

    def add(self, at_s: float, found: Mapping[str, int]) -> None:
        """Keep one look at all processes."""
        self.at_s.append(at_s)
        for name, value in found.items():
            self.nbytes.setdefault(name, []).append(value)

    def growth(self, settles_s: float) -> dict[str, tuple[float, float]]:
        """Give by process the means of the first and the last tenth of the time after it has settled, in bytes."""
        counted = [number for number, at_s in enumerate(self.at_s) if at_s >= settles_s]
        part = max(1, len(counted) // 10)
        return {
            name: (mean(values[n] for n in counted[:part]), mean(values[n] for n in counted[-part:]))
            for name, values in self.nbytes.items()
            if counted
        }


def run(seconds: float, settles_s: float | None = None) -> list[Line]:
    """Soak for so long; growth counts after ``settles_s``, a sixth of the time by default."""
    settles_s = min(SETTLES_S, seconds / 6) if settles_s is None else settles_s
    series = demo_series()
    with TritonServer(MODEL_REPOSITORY) as server:
        client = subprocess.Popen(
            [sys.executable, "-m", __name__, server.grpc_url, str(series), str(seconds)], stdout=subprocess.PIPE
        )
        try:
            samples = _watch(client, server.shm_prefix, seconds)
            said, _ = client.communicate(timeout=600)
        finally:
            client.kill()
            client.wait()
    answered, wrong = map(int, said.split())
    return [
        Line("soak", "studies answered, by one client at 70 % load", float(answered), unit="studies"),
        Line("soak", "wrong or failed answers", float(wrong), goal=0),
        *_lines(samples.growth(settles_s), seconds, settles_s),
    ]


def _watch(client: "subprocess.Popen[bytes]", shm_prefix: str, seconds: float) -> Samples:
    samples, started = Samples(), time.monotonic()
    processes = {CLIENT: client.pid, **server_processes(os.getpid())}
    while client.poll() is None and time.monotonic() - started < seconds + 120:
        found = {name: private_bytes(pid) for name, pid in processes.items()}
        found[SHARED] = shared_bytes(SHARED_MEMORY.glob(f"{shm_prefix}*"))
        if found[CLIENT]:
            samples.add(time.monotonic() - started, found)
        time.sleep(min(EVERY_S, seconds / 100))
    return samples


def _lines(growth: Mapping[str, tuple[float, float]], seconds: float, settles_s: float) -> list[Line]:
    what = f"growth between minute {settles_s / 60:.0f} and {seconds / 60:.0f}"
    return [
        Line(
            "soak",
            f"{name}: {what} ({before / 2**20:.0f} to {after / 2**20:.0f} MiB)",
            round(100 * (after / before - 1), 2) if before else 0.0,
            goal=100 * MOST_GROWTH,
            unit="%",
        )
        for name, (before, after) in growth.items()
    ]


def _client(words: Sequence[str]) -> None:
    address, series, seconds = words
    keep_large_blocks()
    until = time.monotonic() + float(seconds)
    first, answered, wrong = None, 0, 0
    with VcfClient(address) as client:
        while time.monotonic() < until:
            started = time.monotonic()
            try:
                score = client.analyze(Path(series)).study_score
            except Exception:
                wrong += 1
            else:
                first = score if first is None else first
                answered += 1
                wrong += score != first
            time.sleep((time.monotonic() - started) * (1 - LOAD) / LOAD)
    print(answered, wrong)


if __name__ == "__main__":
    _client(sys.argv[1:])
