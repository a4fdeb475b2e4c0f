# SPDX-License-Identifier: Apache-2.0
"""``vcf bench agreement``: NVIDIA's perf_analyzer and the open loop of ``vcf bench latency`` at one rate, in turn.

Both send the same whole volume to the same server by gRPC, at times drawn from a Poisson process, and give the latency
from sending to answer. The order of the two changes from round to round.
"""

import argparse
import asyncio
import csv
import json
import shutil
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from vcf_benchmarks.harness import options
from vcf_benchmarks.harness.answers import Reference
from vcf_benchmarks.harness.arrivals import poisson
from vcf_benchmarks.harness.machine import machine
from vcf_benchmarks.harness.open_loop import open_loop
from vcf_benchmarks.harness.served import asking, broken, right_answers, served
from vcf_benchmarks.harness.studies import demo_series
from vcf_benchmarks.looks.inputs import document
from vcf_client import AsyncVcfClient
from vcf_client.reader import read_study
from vcf_client.study import Study
from vcf_contract.contract import SPACING_MM, VCF, VOLUME
from vcf_contract.errors import SetupError

TRANSPORT = "volume"
MOST_IN_FLIGHT = 64


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measure both at the rate that the options name.

    Raises
    ------
    SetupError
        If perf_analyzer is missing or fails.
    """
    options.positive(args, "rate", "seconds", "rounds")
    program = shutil.which(args.perf_analyzer)
    if program is None:
        raise SetupError(
            f"{args.perf_analyzer} is not there: `make nvidia-tools` installs it in .venv-nvidia-tools/bin"
        )
    study = read_study(demo_series())
    found: dict[str, list[float]] = {"perf_analyzer": [], "vcf bench latency": []}
    with served(args.server) as server, TemporaryDirectory() as folder:
        file = Path(folder) / "volume.json"
        request = document([(VOLUME, study.volume.hu), (SPACING_MM, np.array(study.volume.spacing_mm, np.float32))])
        file.write_text(json.dumps({"data": [request]}), "utf-8")
        right = right_answers(server.address, TRANSPORT, [study])
        with server.watch() as watch:
            for number in range(args.rounds):
                for name in found if number % 2 else reversed(found):
                    if name == "perf_analyzer":
                        took_ms = theirs_ms(program, server.address, file, args.rate, args.seconds)
                    else:
                        scheduled_s = poisson(args.rate, args.seconds, number).tolist()
                        took_ms = asyncio.run(ours_ms(server.address, study, right, scheduled_s))
                    found[name].append(took_ms)
    theirs, ours = (statistics.median(p50) for p50 in found.values())
    return {
        "p50_ms": found,
        "ratio": theirs / ours,
        "rate_per_s": args.rate,
        "broken": broken(watch, []),
        "machine": machine(),
    }


def table(figures: Mapping[str, Any]) -> list[str]:
    """Return a line for each of the two, and their ratio."""
    lines = [
        f"{name:<20}p50 of {len(p50)} turns, ms: " + ", ".join(f"{ms:.0f}" for ms in p50)
        for name, p50 in figures["p50_ms"].items()
    ]
    share = f"{figures['ratio']:.3f}"
    lines.append(f"perf_analyzer over ours, of the medians: {share} at {figures['rate_per_s']:g} a second")
    return [*lines, *(f"not valid: {rule}" for rule in figures["broken"])]


async def ours_ms(address: str, study: Study, right: Sequence[Reference], scheduled_s: Sequence[float]) -> float:
    """Return the median latency of the open loop, from sending."""
    async with AsyncVcfClient(address, transport=TRANSPORT) as client:
        done = await open_loop(scheduled_s, asking(client, [study], right, seed=0), MOST_IN_FLIGHT)
    failures = [call.failure for call in done.calls if call.failure]
    if failures:
        raise SetupError(f"{len(failures)} of {len(done.calls)} studies failed: {failures[0]}")
    return statistics.median(call.uncorrected_ms for call in done.calls)


def theirs_ms(program: str, address: str, file: Path, rate_per_s: float, seconds: float) -> float:
    """Return the median latency that perf_analyzer tells, of three windows that make up the time."""
    report = file.with_suffix(".csv")
    words = [program, "-m", VCF.name, "-i", "grpc", "-u", address, "--input-data", str(file)]
    words += ["--request-rate-range", str(rate_per_s), "--request-distribution", "poisson", "--percentile", "50"]
    # Three windows, and whatever they are: stability is not asked for of either side.
    words += ["--measurement-interval", str(round(seconds * 1e3 / 3)), "-s", "999", "-r", "3", "-f", str(report)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode or not report.is_file():
        raise SetupError(f"perf_analyzer ended with {done.returncode}: {(done.stdout + done.stderr).strip()[-300:]}")
    (row,) = csv.DictReader(report.read_text("utf-8").splitlines())
    return float(row["p50 latency"]) / 1e3
