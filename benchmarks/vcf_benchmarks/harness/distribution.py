# SPDX-License-Identifier: Apache-2.0
"""Distributions of latency: HDR histograms to keep, percentiles with intervals to read."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from hdrh.histogram import HdrHistogram
from numpy.typing import NDArray
from scipy.stats import binom

LOWEST_US, HIGHEST_US, DIGITS = 1, 3_600_000_000, 3
"""The range of the histograms: a microsecond to an hour, three significant digits."""
QUANTILES = (0.5, 0.9, 0.99)
CONFIDENCE = 0.95


def histogram(latencies_ms: Iterable[float]) -> HdrHistogram:
    """Make an HDR histogram, in microseconds."""
    made = HdrHistogram(LOWEST_US, HIGHEST_US, DIGITS)
    for latency_ms in latencies_ms:
        made.record_value(min(max(round(latency_ms * 1e3), LOWEST_US), HIGHEST_US))
    return made


def encoded(latencies_ms: Iterable[float]) -> str:
    """Return their histogram in HdrHistogram's own compressed form, base64: every implementation reads it."""
    text: bytes = histogram(latencies_ms).encode()
    return text.decode("ascii").replace("\n", "")


def decoded(text: str) -> HdrHistogram:
    """Return the histogram, in microseconds, of an encoded form."""
    return HdrHistogram.decode(text)


def values_ms(text: str) -> list[float]:
    """Return the latencies of an encoded form in ascending order, to its three significant digits."""
    values: list[float] = []
    for item in decoded(text).get_recorded_iterator():
        values += [item.value_iterated_to / 1e3] * item.count_at_value_iterated_to
    return values


@dataclass(frozen=True)
class Percentile:
    """A percentile and the interval that holds the true one with 95 % confidence; None is an end that n cannot give.

    n_effective
        How many independent latencies these n are worth.
    """

    quantile: float
    ms: float
    low_ms: float | None
    high_ms: float | None
    n: int
    n_effective: float

    def entry(self) -> dict[str, Any]:
        """Return it as it stands in the JSON."""
        return {key: round(value, 3) if isinstance(value, float) else value for key, value in asdict(self).items()}


def entries(latencies_ms: Sequence[float], quantiles: Sequence[float] = QUANTILES) -> list[dict[str, Any]]:
    """Return percentiles as they stand in the JSON."""
    return [percentile(latencies_ms, quantile).entry() for quantile in quantiles]


def percentile(latencies_ms: Sequence[float], quantile: float, confidence: float = CONFIDENCE) -> Percentile:
    """Return the smallest latency that a share ``quantile`` of all does not exceed, with its interval.

    The interval is one of order statistics: ranks of its ends are quantiles of the binomial distribution, whatever the
    distribution of latencies (David and Nagaraja, *Order Statistics*, section 7.1). Latencies that follow one another
    are alike, because they waited in the same queue: the binomial's n is the effective number.

    Parameters
    ----------
    latencies_ms
        In order of arrival.
    """
    if not 0 < quantile < 1:
        raise ValueError(f"quantile is {quantile!r}, it must lie between 0 and 1")
    if not len(latencies_ms):
        raise ValueError("a percentile needs at least one latency")
    in_order = np.asarray(latencies_ms, np.float64)
    ranked, n = np.sort(in_order), len(in_order)
    value = float(ranked[max(1, math.ceil(quantile * n - 1e-9)) - 1])
    n_effective = effective(in_order <= value)
    trials = max(1, math.floor(n_effective))
    low, high = binom.ppf([(1 - confidence) / 2, (1 + confidence) / 2], trials, quantile)
    low_rank, high_rank = math.floor(low / trials * n), math.ceil((high + 1) / trials * n)
    return Percentile(
        quantile,
        value,
        float(ranked[low_rank - 1]) if low >= 1 else None,
        float(ranked[high_rank - 1]) if high + 1 <= trials else None,
        n,
        n_effective,
    )


def effective(series: NDArray[Any]) -> float:
    """Return how many independent values this series is worth: n over its integrated autocorrelation time.

    Autocorrelations are summed in pairs as long as the pairs are positive (Geyer, 1992).
    """
    n = len(series)
    centred = series.astype(np.float64) - series.mean()
    spread = float(centred @ centred)
    if n < 4 or spread == 0:
        return float(n)
    size = 1 << (2 * n - 1).bit_length()
    power = np.abs(np.fft.rfft(centred, size)) ** 2
    correlation = np.fft.irfft(power, size)[:n] / spread
    time = -1.0
    for pair in correlation[: n - n % 2].reshape(-1, 2).sum(1):
        if pair <= 0:
            break
        time += 2 * float(pair)
    return float(np.clip(n / max(time, 1.0), 1.0, n))
