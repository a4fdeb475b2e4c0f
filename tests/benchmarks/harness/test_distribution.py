# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from scipy import stats

from vcf_benchmarks.harness.distribution import decoded, effective, encoded, entries, histogram, percentile, values_ms


@pytest.fixture
def latencies_ms() -> np.ndarray:
    return np.random.default_rng(1).lognormal(5, 0.7, 5003)


@pytest.mark.parametrize("q", [1, 25, 50, 90, 99, 99.9])
def test_hdr_percentiles_are_numpys_to_three_digits(latencies_ms, q: float) -> None:
    truth = np.percentile(latencies_ms, q, method="closest_observation")
    assert histogram(latencies_ms).get_value_at_percentile(q) / 1e3 == pytest.approx(truth, rel=1.5e-3)


def test_an_encoded_histogram_comes_back(latencies_ms) -> None:
    text = encoded(latencies_ms)
    back = decoded(text)
    assert "\n" not in text and back.get_total_count() == 5003
    assert back.get_value_at_percentile(50) == histogram(latencies_ms).get_value_at_percentile(50)


@pytest.mark.parametrize("q", [0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("n", [7, 101, 5003])
def test_value_is_numpys(latencies_ms, q: float, n: int) -> None:
    found = percentile(latencies_ms[:n], q)
    assert found.ms == np.quantile(latencies_ms[:n], q, method="inverted_cdf")
    assert found.n == n


@pytest.mark.parametrize("q", [0.5, 0.9])
def test_interval_of_independent_latencies_is_that_of_scipys_quantile_test(q: float) -> None:
    sample = np.random.default_rng(11).exponential(100, 400)
    # Orders with an effective number of all 400 alone: so that only the ranks are compared.
    seed = next(s for s in range(50) if effective(_shuffled(sample, s) <= np.quantile(sample, q)) == 400)
    found = percentile(_shuffled(sample, seed), q)
    truth = stats.quantile_test(sample, q=np.quantile(sample, q), p=q).confidence_interval(0.95)
    ranked = np.sort(sample)
    for end, expected in ((found.low_ms, truth.low), (found.high_ms, truth.high)):
        assert abs(np.searchsorted(ranked, end) - np.searchsorted(ranked, expected)) <= 1


def _shuffled(sample: np.ndarray, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).permutation(sample)


def test_too_few_give_no_upper_end() -> None:
    few = percentile(np.arange(1.0, 101.0), 0.99)
    assert few.high_ms is None


def test_interval_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(2)
    truth = 100 * np.log(10)  # p90 of an exponential distribution of mean 100
    holds = [_holds(percentile(rng.exponential(100, 300), 0.9), truth) for _ in range(300)]
    assert np.mean(holds) >= 0.92


def test_interval_allows_for_latencies_that_follow_one_another() -> None:
    rng = np.random.default_rng(3)

    def queue() -> np.ndarray:
        """An autoregressive series (correlation 0.8) with a standard normal distribution, made exponential."""
        z = rng.normal(size=600)
        for i in range(1, 600):
            z[i] = 0.8 * z[i - 1] + 0.6 * z[i]
        return -100 * np.log(stats.norm.sf(z))

    truth = 100 * np.log(2)
    assert np.mean([_holds(percentile(queue(), 0.5), truth) for _ in range(200)]) >= 0.9


def test_effective_number_is_the_formulas() -> None:
    rng = np.random.default_rng(4)
    series = rng.normal(size=50_000)
    assert effective(series) == pytest.approx(50_000, rel=0.1)
    for i in range(1, len(series)):
        series[i] = 0.6 * series[i - 1] + 0.8 * series[i]
    # An autoregressive series of correlation r is worth n (1 − r) / (1 + r).
    assert effective(series) == pytest.approx(50_000 * 0.4 / 1.6, rel=0.1)
    assert effective(np.ones(50)) == 50


@pytest.mark.parametrize("q", [0, 1, 50])
def test_a_quantile_is_a_share(q: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        percentile([1.0, 2.0], q)


def test_nothing_has_no_percentile() -> None:
    with pytest.raises(ValueError, match="at least one"):
        percentile([], 0.5)


def _holds(found, truth: float) -> bool:
    return (found.low_ms is None or found.low_ms <= truth) and (found.high_ms is None or truth <= found.high_ms)


def test_values_come_back_from_a_histogram_in_ascending_order() -> None:
    latencies_ms = np.random.default_rng(3).lognormal(5, 1, 500)
    found = values_ms(encoded(latencies_ms))
    np.testing.assert_allclose(found, np.sort(latencies_ms), rtol=2e-3)


def test_entries_are_percentiles_for_the_json() -> None:
    latencies_ms = [float(n) for n in range(1, 101)]
    found = entries(latencies_ms)
    assert [(one["quantile"], one["ms"], one["n"]) for one in found] == [
        (0.5, 50, 100),
        (0.9, 90, 100),
        (0.99, 99, 100),
    ]
    assert found[0] == percentile(latencies_ms, 0.5).entry()
