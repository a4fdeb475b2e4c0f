# SPDX-License-Identifier: Apache-2.0
"""Metrics by name and label, there from the start."""

import pytest

pytest.importorskip("tritonclient.grpc")
from tests import fake_stub as stub
from vcf_contract.contract import Priority
from vcf_runtime import load_metrics

ROUTINE = (load_metrics.REFUSED, (("priority", "routine"),))
URGENT = (load_metrics.REFUSED, (("priority", "urgent"),))
IN_FLIGHT = (load_metrics.IN_FLIGHT, ())


@pytest.fixture
def values():
    stub.MetricFamily.values.clear()
    return stub.MetricFamily.values


def test_all_are_there_from_the_start(values):
    load_metrics.begin()
    assert values == {ROUTINE: 0, URGENT: 0, IN_FLIGHT: 0}


def test_refusals_are_counted_and_studies_shown(values):
    load_metrics.count_refusal(Priority.ROUTINE)
    load_metrics.count_refusal(Priority.ROUTINE)
    load_metrics.count_refusal(Priority.URGENT)
    load_metrics.show_in_flight(7)
    load_metrics.show_in_flight(3)
    assert stub.counted(*ROUTINE, 2) and stub.counted(*URGENT, 1)
    assert values[IN_FLIGHT] == 3
