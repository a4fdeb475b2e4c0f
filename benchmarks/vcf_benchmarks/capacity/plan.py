# SPDX-License-Identifier: Apache-2.0
"""The number of servers that a measured curve of latency against rate asks for.

Clients share studies out in turn (docs/kubernetes.md), so each of k servers sees a k-th of the arrivals and its own
queue: the curve of one server tells what each of k does. In turn is more even than by chance, which the curve was
measured with, so the answer errs on the safe side.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from vcf_benchmarks.capacity.queueing import wait_quantile_s
from vcf_benchmarks.harness.profiles import PROFILES
from vcf_contract.errors import SetupError

MEDIAN, TAIL = 0.5, 0.99
AUTOSCALER_TOLERANCE = 0.1
"""Kubernetes' autoscaler leaves a ratio of metric to target within this of 1 alone."""
LEAST_PODS = 2
"""The number of deploy/kubernetes: one pod is none while it is replaced."""
DAY = tuple(PROFILES["day"].share(hour + 0.5) for hour in range(24))
"""Weights of the hours from midnight: the day of `vcf bench locust`."""


@dataclass(frozen=True)
class Curve:
    """Latency of one server against the rate of Poisson arrivals; rates ascend, and the server kept up with all.

    p99_high_ms
        Upper ends of the intervals of p99; infinite where too few studies were measured to tell.
    highest_per_s
        Of a closed loop: what the server answers at most.
    cpu_s
        Processor time of the server for a study, None if not measured.
    """

    per_s: tuple[float, ...]
    p50_ms: tuple[float, ...]
    p99_ms: tuple[float, ...]
    p99_high_ms: tuple[float, ...]
    highest_per_s: float
    cpu_s: float | None = None
    cores: int | None = None

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> "Curve":
        """Make a curve of what `entry` returned."""
        high = tuple(math.inf if ms is None else ms for ms in entry["p99_high_ms"])
        columns = {name: tuple(entry[name]) for name in ("per_s", "p50_ms", "p99_ms")}
        return cls(**{**entry, **columns, "p99_high_ms": high})

    def entry(self) -> dict[str, Any]:
        """Return the curve as it stands in the JSON, which knows neither tuples nor infinity."""
        columns = {name: list(getattr(self, name)) for name in ("per_s", "p50_ms", "p99_ms")}
        high = [None if math.isinf(ms) else ms for ms in self.p99_high_ms]
        return {**asdict(self), **columns, "p99_high_ms": high}

    def within(self, bound_ms: float, *, cautious: bool = False) -> float:
        """Return the highest rate with p99 within the bound, 0.0 if there is none on the curve.

        Between two rates latency is taken to rise in a straight line: it curves upwards, so the line lies above it.
        Nothing is assumed beyond the last rate. ``cautious`` takes the upper ends of the intervals.
        """
        latency = np.maximum.accumulate(self.p99_high_ms if cautious else self.p99_ms)
        over = np.flatnonzero(latency > bound_ms)
        if not len(over):
            return self.per_s[-1]
        if (first := int(over[0])) == 0:
            return 0.0
        low, high = latency[first - 1], latency[first]
        share = 0.0 if math.isinf(high) else (bound_ms - low) / (high - low)
        return float(self.per_s[first - 1] + share * (self.per_s[first] - self.per_s[first - 1]))

    def at(self, per_s: float, quantile: float) -> float:
        """Return p50 or p99 at a rate on the curve, in ms; below the lowest rate, that one's."""
        return float(np.interp(per_s, self.per_s, self.p50_ms if quantile == MEDIAN else self.p99_ms))


def read_curve(path: Path) -> tuple[Curve, list[str]]:
    """Read the curve of a result of ``vcf bench latency``, or of a plain list, and why its run does not hold.

    A plain list has objects with ``rate_per_s``, ``p50_ms`` and ``p99_ms``.

    Raises
    ------
    SetupError
        If the file is neither, or its server kept up with fewer than two rates.
    """
    try:
        document = json.loads(path.read_text("utf-8"))
        if isinstance(document, list):
            return _plain(document), []
        if document["kind"] != "latency":
            raise ValueError(f"a result of the kind {document['kind']!r}")
        return _measured(document), [f"of the curve's own run: {rule}" for rule in document["broken_rules"]]
    except FileNotFoundError:
        raise SetupError(f"no curve at {path}: run `vcf bench latency --json {path}` first") from None
    except (ValueError, KeyError, TypeError, IndexError, StopIteration) as error:
        raise SetupError(f"{path} is no curve of `vcf bench latency` ({type(error).__name__}: {error})") from None


def _plain(points: Sequence[Mapping[str, float]]) -> Curve:
    ranked = sorted(points, key=lambda point: point["rate_per_s"])
    p99_ms = [float(point["p99_ms"]) for point in ranked]
    return _checked(
        [float(point["rate_per_s"]) for point in ranked],
        [float(point["p50_ms"]) for point in ranked],
        p99_ms,
        p99_ms,
        float(ranked[-1]["rate_per_s"]),
    )


def _measured(document: Mapping[str, Any]) -> Curve:
    figures = document["figures"]
    ranked = sorted(figures["rates"], key=lambda rate: rate["rate_per_s"])
    kept: list[Mapping[str, Any]] = []
    for rate in ranked:
        if not rate["kept_up"]:
            break
        kept.append(rate)

    def of(rate: Mapping[str, Any], quantile: float) -> Mapping[str, Any]:
        return next(entry for entry in rate["corrected"] if entry["quantile"] == quantile)

    tails = [of(rate, TAIL) for rate in kept]
    spent = [rate["server_cores"] / rate["rate_per_s"] for rate in kept if rate.get("server_cores")]
    return _checked(
        [rate["rate_per_s"] for rate in kept],
        [of(rate, MEDIAN)["ms"] for rate in kept],
        [tail["ms"] for tail in tails],
        [math.inf if tail["high_ms"] is None else tail["high_ms"] for tail in tails],
        figures["highest_per_s"],
        float(np.median(spent)) if spent else None,
        document.get("machine", {}).get("cores"),
    )


def _checked(
    per_s: Sequence[float],
    p50_ms: Sequence[float],
    p99_ms: Sequence[float],
    high_ms: Sequence[float],
    highest_per_s: float,
    cpu_s: float | None = None,
    cores: int | None = None,
) -> Curve:
    if len(per_s) < 2:
        raise ValueError(f"the server kept up with {len(per_s)} rates, two are needed")
    if min(*per_s, *p50_ms, highest_per_s) <= 0 or any(b <= a for a, b in pairwise(per_s)):
        raise ValueError("rates and latencies must be greater than 0, and no rate twice")
    if any(tail < median for median, tail in zip(p50_ms, p99_ms, strict=True)):
        raise ValueError("a p99 is below its p50")
    return Curve(tuple(per_s), tuple(p50_ms), tuple(p99_ms), tuple(high_ms), highest_per_s, cpu_s, cores)


@dataclass(frozen=True)
class Need:
    """Servers for a load.

    working
        How many meet the bound, all of them well.
    spare
        More, so that it is met while as many are down.
    """

    working: int
    spare: int

    @property
    def replicas(self) -> int:
        """All of them."""
        return self.working + self.spare


def need(studies_per_hour: float, per_server_s: float, spare: int) -> Need:
    """Count the servers for a load that each may take ``per_server_s`` of; at least one works."""
    return Need(max(1, math.ceil(studies_per_hour / 3600 / per_server_s - 1e-9)), spare)


def refuse_if_unreachable(curve: Curve, bound_ms: float) -> None:
    """End where no number of servers meets the bound, or the curve cannot tell.

    Raises
    ------
    SetupError
        With what was measured.
    """
    if curve.within(bound_ms) > 0:
        return
    lowest, median, tail = curve.per_s[0], curve.p50_ms[0], curve.p99_ms[0]
    if bound_ms < median:
        raise SetupError(
            f"no number of servers meets a p99 of {bound_ms:.0f} ms: with {lowest:.3g} studies a second on a server "
            f"half of them take more than {median:.0f} ms, and hardly any of that is waiting. The study itself must "
            "become faster: other settings (`vcf bench sweep`), or more cores a server"
        )
    raise SetupError(
        f"the curve does not reach a p99 of {bound_ms:.0f} ms: at its lowest rate, {lowest:.3g} a second, p99 is "
        f"{tail:.0f} ms and p50 {median:.0f} ms. Measure lower rates (`vcf bench latency --rates …`), or accept a p99 "
        f"of {tail:.0f} ms"
    )


@dataclass(frozen=True)
class Model:
    """The curve as theory has it: one queue, service times of mean ``service_s``, and ``fixed_s`` without waiting.

    A server overlaps the steps of several studies: a study takes longer than the time between two answers of a
    saturated server, and only the latter makes others wait.
    """

    service_s: float
    fixed_s: float
    scv: float

    @classmethod
    def of(cls, curve: Curve) -> "Model":
        """Fit a model: the mean service time follows from the highest rate where that is above the curve's."""
        last = curve.per_s[-1]
        highest = [curve.highest_per_s] if curve.highest_per_s > last else np.linspace(1.01, 2, 50) * last
        tried = [
            cls(1 / most, max(0.0, curve.p50_ms[0] / 1e3 - 1 / most), float(scv))
            for most in map(float, highest)
            for scv in np.arange(0, 8.01, 0.1)
        ]
        return min(tried, key=lambda model: model.misfit(curve))

    def p99_ms(self, per_s: float, servers: int = 1) -> float:
        """Return p99 with ``servers`` behind one queue; infinite beyond what they can do."""
        if per_s * self.service_s >= servers:
            return math.inf
        wait_s = wait_quantile_s(servers, per_s, self.service_s, self.scv, TAIL)
        return (self.fixed_s + self.service_s + wait_s) * 1e3

    def misfit(self, curve: Curve) -> float:
        """Return the mean of the absolute logarithms of modelled over measured p99."""
        return float(
            np.mean([abs(math.log(self.p99_ms(rate) / ms)) for rate, ms in zip(curve.per_s, curve.p99_ms, strict=True)])
        )

    def servers(self, per_s: float, bound_ms: float, most: int = 10_000) -> int | None:
        """Return the fewest behind one queue, where no server idles while a study waits; None if more than ``most``."""
        if (self.fixed_s + self.service_s) * 1e3 > bound_ms:
            return None
        least = math.floor(per_s * self.service_s) + 1
        return next((count for count in range(least, most) if self.p99_ms(per_s, count) <= bound_ms), None)


def cpu_target(curve: Curve, per_server_s: float, needed: Need) -> int | None:
    """Return ``averageUtilization`` of the CPU autoscaler, in per cent of the cores that the curve was measured with.

    At this utilisation the pods that are left take no more than ``per_server_s`` each when the spare ones are gone,
    although the autoscaler lets the utilisation rise by its tolerance before it acts.
    """
    if curve.cpu_s is None or not curve.cores:
        return None
    per_pod_s = per_server_s * needed.working / needed.replicas
    return max(1, int(100 * per_pod_s * curve.cpu_s / curve.cores / (1 + AUTOSCALER_TOLERANCE)))
