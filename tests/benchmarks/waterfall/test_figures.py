# SPDX-License-Identifier: Apache-2.0
"""The parts of a study as perf_analyzer splits them."""

import pytest

from vcf_benchmarks.waterfall.figures import split_ms
from vcf_benchmarks.waterfall.kinds import PERF_ANALYZER, Kind
from vcf_benchmarks.waterfall.timeline import Account, Part

MS = 1_000_000


def test_the_split_of_perf_analyzer_adds_up_too() -> None:
    kinds = [Kind.READ, Kind.SERIALISE, Kind.NETWORK, Kind.FRONTEND, Kind.QUEUE, Kind.INPUT, Kind.COMPUTE, Kind.OUTPUT]
    parts = [
        Part("serialise" if kind is Kind.SERIALISE else str(kind), kind, n * MS, (n + 1) * MS)
        for n, kind in enumerate(kinds)
    ]
    split = split_ms(Account(10 * MS, tuple(parts), (float(MS),) * len(parts)))
    assert sum(split.values()) == pytest.approx(10)
    assert split["network"] == pytest.approx(2)
    assert all(split[name] > 0 for name in PERF_ANALYZER)


def test_a_request_without_a_trace_is_not_called_network() -> None:
    part = Part("request and answer", Kind.WHOLE_EXCHANGE, 0, 10 * MS)
    split = split_ms(Account(10 * MS, (part,), (10.0 * MS,)))
    assert split["network"] == 0 and split[str(Kind.WHOLE_EXCHANGE)] == pytest.approx(10)
