# SPDX-License-Identifier: Apache-2.0
"""Tell what was measured of each size, the exponents, and targets.

Exponents are slopes of a straight line through the logarithms: 1 is growth in proportion, less means that some cost
does not grow at all.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from vcf_benchmarks.harness.answers import Check, scores_of
from vcf_benchmarks.harness.distribution import encoded, percentile
from vcf_benchmarks.harness.result import Result, Target
from vcf_benchmarks.harness.windows import means, medians, recent
from vcf_client import Findings

EXPONENT_GOAL = 1.05
MEMORY_GOAL = 2.0
"""Peak growth of the server for each study in flight, over the bytes sent."""


@dataclass
class Cost:
    """Tell what one size by one transport costs."""

    slices: int
    spacing_mm: float
    volume_bytes: int
    times_ms: list[float] = field(default_factory=list)
    core_s: list[float] = field(default_factory=list)
    patches: int = 0
    sent_bytes: int = 0
    """Messages, and what they name in shared memory."""
    server_growth_bytes: float = 0.0
    """The growth of all processes of the server together at their peak, for each study in flight."""
    peak_growth_bytes: dict[str, float] = field(default_factory=dict)
    """The growth of each process at its own peak, for each study in flight."""
    answers: list[list[float]] = field(default_factory=list)

    def mistaken(self, right: Sequence[float]) -> int:
        """Count the answers that differ from these scores."""
        check = Check(right)
        for scores in self.answers:
            check.scores(scores)
        return check.mistaken

    def answered(self, findings: Findings) -> None:
        """Note what an answer says."""
        self.patches = len(findings.patches)
        self.sent_bytes = findings.bytes_sent
        self.answers.append(scores_of(findings))


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """Return the slope of the line of least squares through the logarithms."""
    if min(sizes) <= 0 or min(costs) <= 0:
        raise ValueError(f"a power law needs positive numbers, found {min(*sizes, *costs)}")
    return float(np.polyfit(np.log(sizes), np.log(costs), 1)[0])


def _window_exponents(slices: Sequence[float], windows: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """Return the exponent of each window. Sizes took turns: a slow minute is in all of them."""
    return tuple(exponent(slices, of_all) for of_all in zip(*windows, strict=True))


def targets(transport: str, of_transport: Sequence[Cost], rounds: int) -> list[Target]:
    """Return the exponents of latency and processor time, in the windows that count and in each."""
    slices = [cost.slices for cost in of_transport]
    measures: tuple[tuple[str, Callable[..., float], Callable[..., list[float]], list[list[float]]], ...] = (
        ("latency", statistics.median, medians, [cost.times_ms for cost in of_transport]),
        ("core-seconds", statistics.mean, means, [cost.core_s for cost in of_transport]),
    )
    return [
        Target(
            f"exponent of {name} by slices, {transport}",
            exponent(slices, [middle(recent(values, rounds)) for values in every]),
            EXPONENT_GOAL,
            windows=_window_exponents(slices, [of_windows(values, rounds) for values in every]),
        )
        for name, middle, of_windows, every in measures
    ]


def account(result: Result, costs: Mapping[str, list[Cost]], rounds: int) -> None:
    """Write figures, histograms and targets into the result."""
    for transport, of_transport in costs.items():
        slices, patches = [cost.slices for cost in of_transport], [cost.patches for cost in of_transport]
        p50_ms = [percentile(recent(cost.times_ms, rounds), 0.5) for cost in of_transport]
        measures: dict[str, list[float]] = {
            "latency": [p50.ms for p50 in p50_ms],
            "core_seconds": [statistics.mean(recent(cost.core_s, rounds)) for cost in of_transport],
            "server_memory": [max(cost.server_growth_bytes, 1.0) for cost in of_transport],
        }
        exponents = {
            name: {"slices": exponent(slices, values), "patches": exponent(patches, values)}
            for name, values in measures.items()
        }
        result.figures.setdefault("transports", {})[transport] = {
            "sizes": [
                {
                    "slices": cost.slices,
                    "spacing_mm": cost.spacing_mm,
                    "patches": cost.patches,
                    "p50": p50.entry(),
                    "core_s": core_s,
                    "sent_mb": cost.sent_bytes / 1e6,
                    "server_growth_mb": cost.server_growth_bytes / 1e6,
                    "times_sent": cost.server_growth_bytes / cost.sent_bytes,
                    "peak_growth_mb": {name: nbytes / 1e6 for name, nbytes in cost.peak_growth_bytes.items()},
                }
                for cost, p50, core_s in zip(of_transport, p50_ms, measures["core_seconds"], strict=True)
            ],
            "exponents": exponents,
        }
        for cost in of_transport:
            result.histograms[f"{transport}, {cost.slices} slices"] = encoded(recent(cost.times_ms, rounds))
        worst = max(one["times_sent"] for one in result.figures["transports"][transport]["sizes"])
        result.targets += [
            *targets(transport, of_transport, rounds),
            Target(
                f"exponent of server memory by slices, {transport}", exponents["server_memory"]["slices"], EXPONENT_GOAL
            ),
            Target(f"server memory a study in flight over bytes sent, {transport}", worst, MEMORY_GOAL),
        ]
