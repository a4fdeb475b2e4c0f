# SPDX-License-Identifier: Apache-2.0
"""Tell what the sweep measures in the time it has: a search with short loads, then rounds of the fastest forms in
turn."""

import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from vcf_benchmarks.harness import machine
from vcf_benchmarks.harness.search import Levels, one_at_a_time
from vcf_benchmarks.sweep.choice import unlike
from vcf_benchmarks.sweep.measure import Load, Point, Reading, read
from vcf_client import Findings
from vcf_client.study import Study
from vcf_contract.errors import SetupError
from vcf_export.tuning import Tuning

SEARCH_SHARE = 0.5
"""The largest share of the time for the search; the rest is for rounds of confirmation."""
LEAST_ROUNDS = 2
DELAYS_US = (None, 0, 1000, 5000)

Print = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """Time and load.

    low_share
        The low load over the saturation of the form to start from.
    """

    minutes: float
    seconds: float
    low_share: float
    callers: int
    finalists: int
    transport: str
    seed: int

    def settings(self) -> dict[str, Any]:
        """Return the plan as the JSON has it."""
        return asdict(self)


def factors(forms: Sequence[str], cores: int) -> dict[str, Levels]:
    """Return the levels of each factor for a machine of so many cores, the most effective factor first.

    Instances and threads of the encoder are one factor: the best number of threads depends on how many run at once.
    """
    threads = sorted({0, max(1, cores // 2), cores})
    layouts = [{"encoders": 1, "threads": count} for count in threads]
    layouts += [{"encoders": 2, "threads": count} for count in sorted({max(1, cores // 2), cores})]
    return {
        "form": [{"form": form} for form in forms],
        "encoders": layouts,
        "preparation": [{"preparation": count} for count in sorted({1, 2, cores, 2 * cores})],
        "delay": [{"batch_delay_us": delay} for delay in DELAYS_US],
    }


def sweep(
    repository: Path,
    base: Tuning,
    forms: Sequence[str],
    verdicts: Mapping[str, str | None],
    studies: Sequence[Study],
    plan: Plan,
    report: Print,
) -> list[Point]:
    """Measure points and return all of them in that order.

    ``base`` and the finalists have a reading of every round instead of one. The repository itself stays as it is.
    """
    started = time.monotonic()

    def used() -> float:
        return (time.monotonic() - started) / (60 * plan.minutes)

    with tempfile.TemporaryDirectory(prefix="vcf-sweep-") as folder:
        copy = Path(folder) / "repository"
        shutil.copytree(repository, copy, ignore=shutil.ignore_patterns("*.plan", "__pycache__", "tuned*.pbtxt"))
        load = Load(plan.transport, None, plan.seconds, plan.seconds, plan.callers, plan.seed)
        first, answers = read(copy, base, studies, load, None)
        load = replace(load, low_per_s=plan.low_share * first.saturated_per_s)
        report(f"{base}: {first.saturated_per_s:.2f} studies/s; low load {load.low_per_s:.2f}/s")
        points = _search(copy, base, forms, verdicts, studies, load, answers, report, lambda: used() < SEARCH_SHARE)
        finalists = _finalists(points, base, verdicts, plan.finalists)
        _confirm(copy, finalists, studies, load, answers, report, used)
    return list(points.values())


def _search(
    copy: Path,
    base: Tuning,
    forms: Sequence[str],
    verdicts: Mapping[str, str | None],
    studies: Sequence[Study],
    load: Load,
    answers: Sequence[Findings],
    report: Print,
    may_go_on: Callable[[], bool],
) -> dict[Tuning, Point]:
    points: dict[Tuning, Point] = {}

    def merit(tuned: Tuning) -> float | None:
        """Studies a second; of a form that may not be chosen nothing, so that the search does not build on it."""
        points[tuned] = point = Point(tuned)
        try:
            point.readings.append(read(copy, tuned, studies, load, answers)[0])
        except SetupError as error:
            point.refused = str(error)
            report(f"{tuned}: did not start: {error}")
            return None
        report(f"{tuned}: {shown(point.readings[-1])}")
        return None if verdicts[tuned.form] or unlike(point) else point.per_s

    one_at_a_time(base, factors(forms, machine.cores()), merit, may_go_on)
    return points


def _finalists(
    points: Mapping[Tuning, Point], base: Tuning, verdicts: Mapping[str, str | None], number: int
) -> list[Point]:
    """Return the committed form and the fastest others that may be chosen."""
    others = [
        point
        for point in points.values()
        if point.tuning != base and point.readings and not verdicts[point.tuning.form] and not unlike(point)
    ]
    return [points[base], *sorted(others, key=lambda point: -point.per_s)[:number]]


def _confirm(
    copy: Path,
    finalists: Sequence[Point],
    studies: Sequence[Study],
    load: Load,
    answers: Sequence[Findings],
    report: Print,
    used: Callable[[], float],
) -> None:
    """Measure every finalist anew in rounds, as many as the time allows; readings of the search are dropped.

    They were the best of many short measurements, and so too good on average. Each round has arrivals of its own.
    """
    for point in finalists:
        point.readings.clear()
    number, longest = 0, 0.0
    while number < LEAST_ROUNDS or used() + longest < 1:
        before = used()
        number += 1
        for point in finalists if number % 2 else reversed(finalists):
            reading, _ = read(copy, point.tuning, studies, replace(load, seed=load.seed + number), answers)
            point.readings.append(reading)
            report(f"round {number}, {point.tuning}: {shown(reading)}")
        longest = max(longest, used() - before)


def shown(reading: Reading) -> str:
    """Return a reading in a line."""
    low_ms = sorted(reading.low_ms)
    return (
        f"{reading.saturated_per_s:.2f} studies/s, at low load median {low_ms[len(low_ms) // 2]:.0f} ms, "
        f"longest {low_ms[-1]:.0f} ms, {reading.memory_mib:.0f} MiB"
    )
