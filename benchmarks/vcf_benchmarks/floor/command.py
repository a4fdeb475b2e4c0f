# SPDX-License-Identifier: Apache-2.0
"""The run of ``vcf bench floor``."""

import argparse
import os
import statistics
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from threadpoolctl import ThreadpoolController

from vcf_benchmarks.floor.goals import CROP, DICOM_FOLDER, PAPER_CORES, PAPER_S, PREPARATION, READY, READY_GOAL_S, SHM
from vcf_benchmarks.floor.measure import Rounds, Work, study_gflop
from vcf_benchmarks.floor.start import seconds_to_ready
from vcf_benchmarks.harness.distribution import encoded, percentile
from vcf_benchmarks.harness.result import Result, Target
from vcf_benchmarks.harness.studies import demo_series, stretched_ct
from vcf_benchmarks.harness.timing import one_core, paired_ms
from vcf_benchmarks.harness.validity import watched, wrong
from vcf_benchmarks.harness.windows import medians, recent, rounds_of, until_settled
from vcf_benchmarks.preprocess.case import Shape, case, target
from vcf_client import Findings, VcfClient
from vcf_client.reader import read_study
from vcf_preprocess.geometry import Volume
from vcf_preprocess.patches import extract
from vcf_preprocess.slices import pick
from vcf_server.assets import MODEL_REPOSITORY
from vcf_server.server import TritonServer

SLICES = 300
STARTS = 3


def run(args: argparse.Namespace) -> Result:
    """Time starts of the server, preparation on one core, then rates and studies in turn."""
    result = Result("floor", {"runs": args.runs, "slices": SLICES})
    folder = demo_series()
    study, from_files = stretched_ct(SLICES), read_study(folder)
    with watched(os.getpid()) as watch:
        ready_s = [_ready_s() for _ in range(STARTS)]
        preparation_ms, preparation_windows = _preparation_ms(args.runs)
        with (
            TritonServer(MODEL_REPOSITORY) as server,
            VcfClient(server.grpc_url, transport="crop") as crop,
            VcfClient(server.grpc_url, transport="shm") as shm,
        ):
            ways: dict[str, Callable[[], Findings]] = {
                SHM: lambda: shm.analyze(study),
                CROP: lambda: crop.analyze(study),
                DICOM_FOLDER: lambda: crop.analyze(folder),
            }
            right = {way: shm.analyze(volume) for way, volume in ((SHM, study), (DICOM_FOLDER, from_files))}
            rounds = Rounds(ways, study.volume.hu, {**right, CROP: right[SHM]}, rounds_of(args.runs))
            work = {
                way: _work(MODEL_REPOSITORY, volume, len(rounds.right[way].patches))
                for way, volume in ((SHM, study.volume), (CROP, study.volume), (DICOM_FOLDER, from_files.volume))
            }
            windows = until_settled(
                rounds.measure, lambda: any(rounds.target(way, work[way]).unsettled for way in ways)
            )
    _account(result, rounds, work)
    result.figures |= {
        "ready_s": ready_s,
        "preparation_ms": statistics.median(recent(preparation_ms, rounds_of(args.runs))),
        "windows_until_settled": {"studies": windows, "preparation": preparation_windows},
    }
    result.histograms |= {"preparation_ms": preparation_ms, "ready_s": ready_s}
    result.targets += [
        target(PREPARATION, preparation_ms, rounds_of(args.runs)),
        Target(READY, statistics.median(ready_s), READY_GOAL_S),
    ]
    result.broken += watch.broken
    answers, mistaken = (
        sum(getattr(check, name) for check in rounds.checks.values()) for name in ("answers", "mistaken")
    )
    if rule := wrong(answers, mistaken):
        result.broken.append(rule)
    return result


def _work(repository: Path, volume: Volume, patches: int) -> Work:
    images = len(pick(len(volume.hu), volume.spacing_mm[0]))
    return Work(study_gflop(repository, images, patches), volume.hu.nbytes)


def _ready_s() -> float:
    """Time the command ``vcf serve`` to the line that says that it is ready, Python's own start included."""
    ports = (f"--{name}-port=0" for name in ("grpc", "http", "metrics"))
    return seconds_to_ready([sys.executable, "-m", "vcf_cli", "serve", *ports])


def _preparation_ms(runs: int) -> tuple[list[float], int]:
    """Return the times of all windows, and how many there were."""
    hu, spacing, line = case(Shape(slices=SLICES))
    times_ms: list[float] = []

    def window() -> None:
        times_ms.extend(paired_ms(rounds_of(runs), ours=lambda: extract(hu, spacing, line))["ours"])

    with one_core(), ThreadpoolController().limit(limits=1, user_api="blas"):
        return times_ms, until_settled(window, lambda: bool(target(PREPARATION, times_ms, rounds_of(runs)).unsettled))


def _account(result: Result, rounds: Rounds, work: Mapping[str, Work]) -> None:
    sgemm, memcpy = (recent(rate, rounds.rounds) for rate in (rounds.sgemm_gflop_per_s, rounds.memcpy_bytes_per_s))
    result.figures["rates"] = {
        "sgemm_gflop_per_s": statistics.median(sgemm),
        "sgemm_best_gflop_per_s": max(sgemm),
        "memcpy_gb_per_s": statistics.median(memcpy) / 1e9,
        "memcpy_best_gb_per_s": max(memcpy) / 1e9,
    }
    result.figures["paper"] = {"s": PAPER_S, "cores": PAPER_CORES, "core_s": PAPER_S * PAPER_CORES}
    result.figures["studies"] = {}
    for way, all_ms in rounds.times_ms.items():
        times_ms, floor_ms = recent(all_ms, rounds.rounds), rounds.floor_ms(work[way])
        p50 = percentile(times_ms, 0.5)
        result.figures["studies"][way] = {
            "patches": len(rounds.right[way].patches),
            "gflop": work[way].gflop,
            "volume_mb": work[way].volume_bytes / 1e6,
            "floor_ms": floor_ms,
            "p50": p50.entry(),
            "window_medians_ms": medians(all_ms, rounds.rounds),
            "times_floor": p50.ms / floor_ms,
            "core_s": statistics.mean(recent(rounds.core_s[way], rounds.rounds)),
        }
        result.histograms[way] = encoded(times_ms)
        result.targets.append(rounds.target(way, work[way]))
    result.histograms |= {
        "sgemm_gflop_per_s": rounds.sgemm_gflop_per_s,
        "memcpy_bytes_per_s": rounds.memcpy_bytes_per_s,
    }
