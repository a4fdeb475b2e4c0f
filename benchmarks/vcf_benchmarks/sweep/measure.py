# SPDX-License-Identifier: Apache-2.0
"""One tuned form measured: a server of its own, first at low load, then saturated."""

import asyncio
import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from vcf_benchmarks.harness import validity
from vcf_benchmarks.harness.answers import Reference, references
from vcf_benchmarks.harness.arrivals import poisson
from vcf_benchmarks.harness.calls import Run
from vcf_benchmarks.harness.closed_loop import Loop, closed_loop_async
from vcf_benchmarks.harness.distribution import Percentile, percentile
from vcf_benchmarks.harness.memory import proportional_peak
from vcf_benchmarks.harness.open_loop import open_loop
from vcf_benchmarks.harness.processes import cpu_s
from vcf_benchmarks.harness.served import asking
from vcf_client import AsyncVcfClient, Findings, VcfClient
from vcf_client.study import Study
from vcf_export import tuning
from vcf_export.tuning import Tuning
from vcf_server.server import TritonServer

CANDIDATE = "candidate"
MOST_IN_FLIGHT = 64
WARM_UP_CALLS = 3
MIB = 2**20


@dataclass(frozen=True)
class Load:
    """Tell what every point is asked to do.

    low_per_s
        Poisson arrivals of the low load; None until the first point's saturation is known.
    low_s, saturated_s
        How long each load lasts.
    callers
        Studies at once at saturation.
    """

    transport: str
    low_per_s: float | None
    low_s: float
    saturated_s: float
    callers: int
    seed: int


@dataclass(frozen=True)
class Reading:
    """Tell what one server did. ``difference`` is of the study scores from the committed form's, the largest."""

    saturated_per_s: float
    saturated_ms: list[float]
    low_ms: list[float]
    low_lag_ms: list[float]
    memory_mib: float
    cpu_s: float
    startup_s: float
    difference: float
    flips: int
    failures: list[str]
    watch: validity.Watch = field(default_factory=validity.Watch)


@dataclass
class Point:
    """A tuned form and all that was read of it; one reading from the search, more if it was confirmed."""

    tuning: Tuning
    readings: list[Reading] = field(default_factory=list)
    refused: str | None = None
    """Why its server did not start."""

    @property
    def per_s(self) -> float:
        """Studies a second at saturation, the median of the readings."""
        return statistics.median(reading.saturated_per_s for reading in self.readings)

    @property
    def low_ms(self) -> list[float]:
        """Latencies at low load of all readings, in order of arrival."""
        return [ms for reading in self.readings for ms in reading.low_ms]

    @property
    def memory_mib(self) -> float:
        """Memory of the server's processes, the largest sum seen."""
        return max(reading.memory_mib for reading in self.readings)

    def low(self, quantile: float) -> Percentile:
        """Return a percentile at low load."""
        return percentile(self.low_ms, quantile)

    def saturated(self, quantile: float) -> Percentile:
        """Return a percentile at saturation: how long a study takes where as many wait as callers keep up."""
        return percentile([ms for reading in self.readings for ms in reading.saturated_ms], quantile)


def read(
    repository: Path, tuned: Tuning, studies: Sequence[Study], load: Load, base: Sequence[Findings] | None
) -> tuple[Reading, list[Findings]]:
    """Start a server with this form, measure it, stop it; its answers to each study too.

    Parameters
    ----------
    repository
        A copy that may be written to.
    base
        Answers of the committed form, None if this is it.

    Raises
    ------
    SetupError
        If the server does not start with it.
    """
    tuning.write(repository, CANDIDATE, tuned)
    before = set(psutil.Process().children())
    with TritonServer(repository, config_name=CANDIDATE) as server:
        ours = [child for child in psutil.Process().children() if child not in before]
        with VcfClient(server.grpc_url, transport=load.transport) as client:
            for call in range(WARM_UP_CALLS):
                client.analyze(studies[call % len(studies)])
            answers = [client.analyze(study) for study in studies]
        pairs = list(zip(answers, base or answers, strict=True))
        with validity.watched(os.getpid()) as watch, proportional_peak(ours) as memory:
            cpu_before = cpu_s(os.getpid())
            low, saturated = asyncio.run(_both(server.grpc_url, studies, references(answers), load))
            used_s = cpu_s(os.getpid()) - cpu_before
        calls = (*low.calls, *saturated.calls)
        reading = Reading(
            saturated_per_s=Loop.of(saturated.calls, load.callers, load.saturated_s).per_s,
            saturated_ms=[call.uncorrected_ms for call in saturated.calls],
            low_ms=[call.corrected_ms for call in low.calls],
            low_lag_ms=[call.lag_ms for call in low.calls],
            memory_mib=memory.nbytes / MIB,
            cpu_s=used_s / len(calls),
            startup_s=server.startup_s,
            difference=max(abs(mine.study_score - other.study_score) for mine, other in pairs),
            flips=sum(mine.positive != other.positive for mine, other in pairs),
            failures=[call.failure for call in calls if call.failure],
            watch=watch,
        )
    return reading, answers


async def _both(address: str, studies: Sequence[Study], right: Sequence[Reference], load: Load) -> tuple[Run, Run]:
    async with AsyncVcfClient(address, transport=load.transport) as client:
        ask = asking(client, studies, right, load.seed)
        low = Run((), 0.0, 0.0)
        if load.low_per_s:
            # At least one study, however short the run.
            times = poisson(load.low_per_s, load.low_s, load.seed).tolist() or [0.0]
            low = await open_loop(times, ask, MOST_IN_FLIGHT)
        return low, await closed_loop_async(ask, load.callers, load.saturated_s)
