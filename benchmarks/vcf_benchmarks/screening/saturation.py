# SPDX-License-Identifier: Apache-2.0
"""Studies a second of a screening, beside callers that keep the same server busy by the same transport.

Both are measured in one run, in turn: callers in a closed loop, as in ``vcf bench overhead``, with the study in memory;
the screening of copies of the same study as DICOM files in a folder tree, reading and bookkeeping included.
"""

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from vcf_benchmarks.harness import machine
from vcf_benchmarks.harness.closed_loop import closed_loop
from vcf_client import VcfClient
from vcf_client.reader import read_study
from vcf_contract.errors import SetupError
from vcf_screening import manifest
from vcf_screening.manifest import Entry
from vcf_server.assets import MODEL_REPOSITORY
from vcf_server.server import TritonServer
from vcf_training.phantom import TRAINING_RANGES, render, sample
from vcf_training.phantom.anatomy import parse_levels
from vcf_training.phantom.dicom import write_series

TRANSPORT, LOOP_S, ROUNDS, KINDS = "crop", 20.0, 3, 4
SPACING_MM = (3.0, 2.0, 2.0)


def measure(studies: int, workers: int) -> dict[str, Any]:
    """Measure callers, a third of the screening, callers, and so on."""
    with tempfile.TemporaryDirectory(prefix="vcf-bench-") as folder, TritonServer(MODEL_REPOSITORY) as server:
        series = [_phantom(Path(folder, "phantoms", str(number)), number + 1) for number in range(KINDS)]
        read = [read_study(path) for path in series]
        loops: list[float] = []
        screened: list[float] = []
        callers = _callers(server.grpc_url, read)
        share = studies // ROUNDS
        for number in range(ROUNDS):
            loops.append(_loop(server.grpc_url, read, callers, LOOP_S))
            path = Path(folder, f"list{number}.parquet")
            manifest.write((Entry(f"1.2.{number}.{n}", str(series[n % KINDS])) for n in range(share)), path)
            screened.append(_screen(path, Path(folder, f"out{number}"), server.grpc_url, workers, share))
    return {
        "callers": callers,
        "callers_per_s": loops,
        "screening_per_s": screened,
        "share": statistics.median(a / b for a, b in zip(screened, loops, strict=True)),
        "shape": list(read[0].volume.hu.shape),
    }


def _phantom(folder: Path, seed: int) -> Path:
    spec = sample(seed, ranges=TRAINING_RANGES, levels=parse_levels("T9-L5"))
    write_series(render(spec, spacing_mm=SPACING_MM), folder)
    for path in folder.glob("*.json"):
        path.unlink()
    return folder


def _callers(address: str, studies: list[Any]) -> int:
    """The number of callers that is fastest in short loops."""
    cores = machine.cores()
    tried = (cores + 1, 2 * cores, 3 * cores)
    return max(tried, key=lambda callers: _loop(address, studies, callers, LOOP_S / 4))


def _loop(address: str, studies: list[Any], callers: int, seconds: float) -> float:
    turn = iter(range(10**9))
    with VcfClient(address, transport=TRANSPORT) as client:
        return closed_loop(lambda: client.analyze(studies[next(turn) % len(studies)]), callers, seconds).per_s


def _screen(path: Path, out: Path, address: str, workers: int, studies: int) -> float:
    """Studies a second of a screening between its tenth and its last but tenth row: start and end are no part of it."""
    command: list[str | Path] = [sys.executable, "-m", "vcf_cli", "screen", path, "--out", out, "--server", address]
    options = ["--transport", TRANSPORT, "--workers", str(workers)]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SetupError(f"the screening ended with {done.returncode}: {done.stderr[-300:]}")
    times_s = sorted(
        moment.timestamp()
        for part in (out / "studies").glob("*.parquet")
        for moment in pq.read_table(part, columns=["screened_at"]).column(0).to_pylist()
    )
    if len(times_s) != studies:
        raise SetupError(f"the screening has {len(times_s)} rows of {studies}")
    edge = studies // 10
    return float((studies - 2 * edge - 1) / (times_s[-1 - edge] - times_s[edge]))
