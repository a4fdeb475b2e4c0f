# SPDX-License-Identifier: Apache-2.0
"""Arrival times of studies: Poisson processes, the same for the same seed."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray


def poisson(rate_per_s: float, seconds: float, seed: int) -> NDArray[np.float64]:
    """Draw arrival times in [0, ``seconds``) of a Poisson process: gaps are exponential with mean 1 / rate."""
    if not rate_per_s > 0:
        raise ValueError(f"rate_per_s is {rate_per_s!r}, it must be greater than 0")
    if not seconds > 0:
        raise ValueError(f"seconds is {seconds!r}, it must be greater than 0")
    rng = np.random.default_rng(seed)
    expected = rate_per_s * seconds
    times = np.empty(0)
    last = 0.0
    while last < seconds:
        more = last + np.cumsum(rng.exponential(1 / rate_per_s, int(expected + 4 * expected**0.5) + 16))
        times = np.concatenate([times, more])
        last = float(times[-1])
    return times[times < seconds]


def varying(rate_per_s: Callable[[float], float], peak_per_s: float, seconds: float, seed: int) -> NDArray[np.float64]:
    """Draw arrival times of a Poisson process whose rate changes with time.

    By thinning: arrivals at the peak's rate, each kept with the chance rate / peak (Lewis and Shedler, 1979).
    """
    times = poisson(peak_per_s, seconds, seed)
    shares = np.array([rate_per_s(time) / peak_per_s for time in times.tolist()])
    if len(shares) and (shares.max() > 1 + 1e-9 or shares.min() < 0):
        raise ValueError(f"rate_per_s leaves 0 to peak_per_s, which is {peak_per_s!r}")
    kept: NDArray[np.float64] = times[np.random.default_rng([seed, 1]).random(len(times)) < shares]
    return kept
