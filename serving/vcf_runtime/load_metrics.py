# SPDX-License-Identifier: Apache-2.0
"""Metrics of load that Triton lacks: it counts no request that it refuses, and none that waits in an ensemble.

Each process makes its own with the first value that it has; those of one name and label are one to Triton.
"""

import threading
from contextlib import suppress
from functools import cache
from queue import SimpleQueue
from typing import Any

import triton_python_backend_utils as pb_utils

from vcf_contract.contract import Priority

REFUSED = "vcf_studies_refused_for_load"
IN_FLIGHT = "vcf_studies_in_flight"


@cache
def _family(name: str, description: str, kind: str) -> Any:
    kinds = pb_utils.MetricFamily
    return pb_utils.MetricFamily(name=name, description=description, kind=getattr(kinds, kind))


@cache
def _refused(priority: Priority) -> Any:
    family = _family(REFUSED, "Studies refused because the server had taken as many as it may", "COUNTER")
    return family.Metric(labels={"priority": priority.value})


@cache
def _in_flight() -> Any:
    family = _family(IN_FLIGHT, "Studies taken and not answered yet", "GAUGE")
    return family.Metric(labels={})


def begin() -> None:
    """Have all metrics there from the start, at 0."""
    for priority in Priority:
        _refused(priority).increment(0)
    show_in_flight(0)


def count_refusal(priority: Priority) -> None:
    """Count a study that found no room, in a moment: the answer no does not wait for Triton to have counted it."""
    _to_count().put(priority)


@cache
def _to_count() -> "SimpleQueue[Priority]":
    waiting: SimpleQueue[Priority] = SimpleQueue()
    threading.Thread(target=_count, args=(waiting,), name="count-refusals", daemon=True).start()
    return waiting


def _count(waiting: "SimpleQueue[Priority]") -> None:
    while True:
        priority = waiting.get()
        with suppress(Exception):  # Triton may be about to end; those behind it are counted
            _refused(priority).increment(1)


def show_in_flight(count: int) -> None:
    """Show how many studies are taken now."""
    _in_flight().set(count)
