# SPDX-License-Identifier: Apache-2.0
"""Tell what a study cannot do without, and rounds that time it beside the machine's own rates.

The arithmetic is that of detector, encoder and head, counted from their graphs; its rate is that of a large
single-precision matrix product, the rate of copying that of a volume, both on all cores and timed in turn with the
studies. Decoding, resampling, transport and Triton count as nothing: they are what the distance from the floor shows.
"""

import os
import statistics
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcf_benchmarks.floor.goals import GOALS, SGEMM_SIDE
from vcf_benchmarks.harness.answers import Check, scores_of
from vcf_benchmarks.harness.machine import cores
from vcf_benchmarks.harness.processes import spent
from vcf_benchmarks.harness.result import Target
from vcf_benchmarks.harness.timing import BREATH_S, counted_rounds, timed_ms
from vcf_benchmarks.harness.windows import medians, recent
from vcf_client import Findings
from vcf_contract.contract import PATCH_ENCODER, SEQUENCE_HEAD, SPINAL_CORD_DETECTOR
from vcf_export.speed import gflop


@dataclass(frozen=True)
class Work:
    """Tell what a study cannot do without."""

    gflop: float
    volume_bytes: int

    def floor_ms(self, sgemm_gflop_per_s: float, memcpy_bytes_per_s: float) -> float:
        """Return the time it takes at these rates."""
        return (self.gflop / sgemm_gflop_per_s + self.volume_bytes / memcpy_bytes_per_s) * 1e3


def study_gflop(repository: Path, slice_images: int, patches: int) -> float:
    """Count the networks' operations (10⁹) for a study: slice images, and patches by every member under every flip."""
    of_patch = gflop(repository, PATCH_ENCODER) + gflop(repository, SEQUENCE_HEAD)
    return slice_images * gflop(repository, SPINAL_CORD_DETECTOR) + patches * of_patch


class Rounds:
    """Rates of the machine and studies in turn, so that both see the same minutes.

    Parameters
    ----------
    right
        The answer of each way, by another transport where there is one.
    rounds
        Of a window.
    """

    def __init__(
        self,
        ways: Mapping[str, Callable[[], Findings]],
        volume: NDArray[np.int16],
        right: Mapping[str, Findings],
        rounds: int,
    ) -> None:
        self.ways, self.right, self.rounds = ways, right, rounds
        self.times_ms: dict[str, list[float]] = {way: [] for way in ways}
        self.core_s: dict[str, list[float]] = {way: [] for way in ways}
        self.sgemm_gflop_per_s: list[float] = []
        self.memcpy_bytes_per_s: list[float] = []
        self.checks = {way: Check(scores_of(right[way])) for way in ways}
        self._volume = volume

    def measure(self) -> None:
        """Measure a window, after one uncounted round. All begin when the threads of what came before sleep."""
        square = np.random.default_rng(0).random((3, SGEMM_SIDE, SGEMM_SIDE), np.float32)
        copy = np.empty_like(self._volume)
        at_once = cores()
        with ThreadPoolExecutor(at_once) as pool:
            for counted in counted_rounds(self.rounds):
                time.sleep(BREATH_S)
                sgemm_ms, _ = timed_ms(lambda: np.matmul(square[0], square[1], out=square[2]))
                time.sleep(BREATH_S)
                memcpy_ms, _ = timed_ms(lambda: copy_in_parallel(pool, at_once, copy, self._volume))
                if counted:
                    self.sgemm_gflop_per_s.append(2 * SGEMM_SIDE**3 / sgemm_ms / 1e6)
                    self.memcpy_bytes_per_s.append(copy.nbytes / memcpy_ms * 1e3)
                for way, call in self.ways.items():
                    time.sleep(BREATH_S)
                    took = spent(call, os.getpid())
                    self.checks[way].findings(took.value)
                    if counted:
                        self.times_ms[way].append(took.wall_ms)
                        self.core_s[way].append(took.core_s)

    def floor_ms(self, work: Work) -> float:
        """Return the floor at the median rates of the windows that count."""
        rates = self.sgemm_gflop_per_s, self.memcpy_bytes_per_s
        return work.floor_ms(*(statistics.median(recent(rate, self.rounds)) for rate in rates))

    def target(self, way: str, work: Work) -> Target:
        """Return times the floor, in the windows that count and in each."""
        series = self.times_ms[way], self.sgemm_gflop_per_s, self.memcpy_bytes_per_s
        windows = tuple(
            ms / work.floor_ms(*rates)
            for ms, *rates in zip(*(medians(values, self.rounds) for values in series), strict=True)
        )
        value = statistics.median(recent(self.times_ms[way], self.rounds)) / self.floor_ms(work)
        return Target(f"times the floor, {way}", value, GOALS[way], windows=windows)


def copy_in_parallel(pool: Executor, parts: int, target: NDArray[Any], source: NDArray[Any]) -> None:
    """Copy an array in as many parts of its first axis as there are threads in the pool."""
    edges = [len(source) * part // parts for part in range(parts + 1)]
    list(pool.map(lambda a, b: np.copyto(target[a:b], source[a:b]), edges[:-1], edges[1:]))
