# SPDX-License-Identifier: Apache-2.0
"""LoadGen's three scenarios and its accuracy mode against one server."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vcf_benchmarks.harness.answers import BATCHED_WITHIN, Reference, scores_of
from vcf_benchmarks.harness.calls import WRONG
from vcf_benchmarks.harness.validity import Watch
from vcf_benchmarks.loadgen.scenarios import OFFLINE, SERVER, SINGLE_STREAM
from vcf_benchmarks.loadgen.summary import Summary, logged_answers
from vcf_benchmarks.loadgen.system import Answer, Answered, System, Trial
from vcf_client import AsyncVcfClient, Findings
from vcf_client.study import Study

CONFIRMING_QUERIES = 662
"""LoadGen's early stopping needs so many for a 99th percentile at 99 % confidence, one query over it allowed."""
CONFIRM_AGAIN, STEP_DOWN = 3, 0.95
"""A rate that a longer test does not confirm is lowered so many times by so much."""
SERVER_PERCENTILE = 0.99


@dataclass(frozen=True)
class Plan:
    """Sizes of the tests. MLPerf's rules ask for 600 s and more of each.

    bound_ms
        Of the Server scenario's p99; None takes ``bound_factor`` times the p90 of SingleStream.
    confirm
        Whether the rate that the search found is tested once more, long enough for early stopping.
    """

    min_duration_s: float
    queries: int
    offline_samples: int
    bound_ms: float | None
    bound_factor: float
    search_steps: int
    confirm: bool
    in_flight: int
    offline_in_flight: int
    seed: int

    def settings(self) -> dict[str, Any]:
        """Return the plan as the JSON has it."""
        return asdict(self)

    def seeds(self) -> dict[str, int]:
        """Return LoadGen's seeds."""
        return {
            "qsl_rng_seed": self.seed,
            "sample_index_rng_seed": self.seed + 1,
            "schedule_rng_seed": self.seed + 2,
        }


@dataclass
class Measured:
    """Tell what was found. ``server_per_s`` is None where no rate kept the bound."""

    single_stream: Trial
    offline: Trial
    bound_ms: float
    server: list[tuple[float, Trial]] = field(default_factory=list)
    server_per_s: float | None = None
    confirmed: bool = False
    accuracy: dict[str, tuple[int, int]] = field(default_factory=dict)
    """The number of answers that LoadGen logged in each scenario, and of those that differ or are missing."""
    watch: Watch = field(default_factory=Watch)

    @property
    def failures(self) -> list[str | None]:
        """Tell what was wrong with each answer of all performance tests, None for a right one."""
        trials = [self.single_stream, self.offline, *(trial for _, trial in self.server)]
        return [failure for trial in trials for failure in trial.failures]

    @property
    def broken(self) -> list[str]:
        """LoadGen's own rules that a result broke, and wrong answers of its accuracy mode."""
        found = [
            f"{scenario}: LoadGen calls the test invalid: {_unsatisfied(summary(trial))}"
            for scenario, trial in ((SINGLE_STREAM, self.single_stream), (OFFLINE, self.offline))
            if not summary(trial).valid
        ]
        if self.server_per_s is None:
            found.append(f"{SERVER}: no rate keeps its p99 under {self.bound_ms:.0f} ms")
        elif not self.confirmed:
            found.append(
                f"{SERVER}: early stopping does not confirm the p99 at {self.server_per_s:.3g}/s, "
                f"it takes {CONFIRMING_QUERIES} queries and more"
            )
        found += [
            f"{scenario}: {wrong} of {answers} answers in accuracy mode differ from the reference"
            for scenario, (answers, wrong) in self.accuracy.items()
            if wrong
        ]
        return found


def summary(trial: Trial) -> Summary:
    """Return LoadGen's verdict on a performance test."""
    assert trial.summary is not None
    return trial.summary


def _unsatisfied(found: Summary) -> str:
    return ", ".join(name for name, holds in found.satisfied.items() if not holds) or "no reason given"


def highest(
    keeps: Callable[[float], bool], low: float, high: float, steps: int, precision: float = 0.03
) -> float | None:
    """Find the largest rate by bisection between one known to keep the bound, or 0, and one that hardly will."""
    found = low or None
    for _ in range(steps):
        middle = (low + high) / 2
        if keeps(middle):
            low = found = middle
        else:
            high = middle
        if high - low <= precision * high:
            break
    return found


def answering(address: str, transport: str, studies: Sequence[Study], right: Sequence[Reference]) -> Callable[[], Any]:
    """Return, for `System`, a client that checks every answer and logs its scores."""

    async def connect() -> tuple[Answer, Any]:
        client = AsyncVcfClient(address, transport=transport)

        async def answer(sample: int) -> Answered:
            findings = await client.analyze(studies[sample])
            return Answered(scores(findings).tobytes(), WRONG if right[sample].mistake(findings) else None)

        return answer, client.close

    return connect


def scores(findings: Findings) -> "np.ndarray[Any, np.dtype[np.float32]]":
    """Return what is logged of an answer: the study score, then the patch scores from head to feet."""
    return np.array([findings.study_score, *scores_of(findings)], np.float32)


def measure(system: System, right: Sequence[Reference], plan: Plan, logs: Path) -> Measured:
    """Run SingleStream, Offline, the search for Server's rate, then each scenario in accuracy mode."""
    usual: dict[str, Any] = {"min_duration_ms": round(plan.min_duration_s * 1e3), **plan.seeds()}
    single = system.test(
        SINGLE_STREAM,
        logs / "single-stream",
        most_in_flight=1,
        min_query_count=plan.queries,
        **usual,
    )
    # LoadGen sizes the one query of this scenario by the rate that it expects.
    offline = system.test(
        OFFLINE,
        logs / "offline",
        most_in_flight=plan.offline_in_flight,
        **{
            **usual,
            "min_duration_ms": 1000,
            "min_query_count": 1,
            "offline_expected_qps": plan.offline_samples / 1.1,
        },
    )
    bound_ms = plan.bound_ms or plan.bound_factor * summary(single).headline
    measured = Measured(single, offline, bound_ms)

    def at(rate: float, queries: int) -> Summary:
        trial = system.test(
            SERVER,
            logs / f"server-{len(measured.server):02}",
            most_in_flight=plan.in_flight,
            min_query_count=queries,
            server_target_qps=rate,
            server_target_latency_ns=round(bound_ms * 1e6),
            server_target_latency_percentile=SERVER_PERCENTILE,
            **usual,
        )
        measured.server.append((rate, trial))
        return summary(trial)

    measured.server_per_s = highest(
        lambda rate: at(rate, plan.queries).satisfied["Performance constraints"],
        0.0,
        summary(offline).headline,
        plan.search_steps,
    )
    if plan.confirm and measured.server_per_s:
        found = measured.server_per_s
        for lowered in range(1 + CONFIRM_AGAIN):
            measured.server_per_s = found * STEP_DOWN**lowered
            measured.confirmed = at(measured.server_per_s, max(plan.queries, CONFIRMING_QUERIES)).valid
            if measured.confirmed:
                break
    for scenario in (SINGLE_STREAM, SERVER, OFFLINE):
        folder = logs / f"accuracy-{scenario.lower()}"
        system.test(
            scenario,
            folder,
            most_in_flight=1 if scenario == SINGLE_STREAM else plan.offline_in_flight,
            accuracy=True,
            server_target_qps=(measured.server_per_s or summary(offline).headline / 2),
            **plan.seeds(),
        )
        measured.accuracy[scenario] = checked(folder, right)
    return measured


def checked(folder: Path, right: Sequence[Reference]) -> tuple[int, int]:
    """Count an accuracy test's answers, and those that differ or are missing. Each study is asked for once."""
    answers = logged_answers(folder)
    mistaken = len(set(range(len(right))) - {sample for sample, _ in answers})
    for sample, logged in answers:
        expected = scores(right[sample].findings)
        same = logged.shape == expected.shape and np.allclose(logged, expected, rtol=0, atol=BATCHED_WITHIN)
        mistaken += not same
    return len(answers), mistaken
