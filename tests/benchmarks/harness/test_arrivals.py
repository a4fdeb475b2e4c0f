# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from scipy import stats

from vcf_benchmarks.harness.arrivals import poisson, varying


def test_gaps_are_exponential_and_counts_are_poisson() -> None:
    times = poisson(3.0, 4000.0, seed=5)
    gaps = np.diff(times, prepend=0.0)
    assert stats.kstest(gaps, "expon", args=(0, 1 / 3)).pvalue > 0.01
    # Independent of one another: neighbours do not correlate.
    assert abs(np.corrcoef(gaps[:-1], gaps[1:])[0, 1]) < 4 / len(gaps) ** 0.5
    counts = np.histogram(times, bins=1000, range=(0, 4000))[0]
    assert counts.mean() == pytest.approx(12, abs=4 * (12 / 1000) ** 0.5)
    assert counts.var() / counts.mean() == pytest.approx(1, abs=4 * (2 / 1000) ** 0.5)


def test_a_seed_repeats_its_arrivals_and_another_gives_others() -> None:
    np.testing.assert_array_equal(poisson(2, 30, 1), poisson(2, 30, 1))
    assert not np.array_equal(poisson(2, 30, 1)[:5], poisson(2, 30, 2)[:5])


def test_all_within_the_time_and_in_order() -> None:
    for seed in range(50):
        times = poisson(0.4, 10, seed)
        assert (np.diff(times) > 0).all() and (times < 10).all() and (times > 0).all()


def test_a_varying_rate_gives_its_integral() -> None:
    seconds = 2000.0
    times = varying(lambda t: 5 * t / seconds, 5.0, seconds, seed=3)
    halves = np.histogram(times, bins=2, range=(0, seconds))[0]
    for count, expected in zip(halves, (1250, 3750), strict=True):
        assert count == pytest.approx(expected, abs=4 * expected**0.5)
    # Of an inhomogeneous Poisson process, the integrated rate at the arrivals is uniform.
    assert stats.kstest((times / seconds) ** 2, "uniform").pvalue > 0.01


@pytest.mark.parametrize(("rate", "seconds"), [(0, 1), (-1, 1), (float("nan"), 1), (1, 0)])
def test_bad_rates_are_named(rate: float, seconds: float) -> None:
    with pytest.raises(ValueError, match="must be greater than 0"):
        poisson(rate, seconds, 0)


def test_a_rate_over_its_peak_is_refused() -> None:
    with pytest.raises(ValueError, match="peak_per_s"):
        varying(lambda t: 2.0, 1.0, 100.0, 0)
