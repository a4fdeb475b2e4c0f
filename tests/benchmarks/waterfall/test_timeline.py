# SPDX-License-Identifier: Apache-2.0
"""Joining clocks and accounting for time, against timelines whose truth is known."""

import numpy as np
import pytest

from vcf_benchmarks.waterfall import client as did
from vcf_benchmarks.waterfall.client import ClientRecord, Event
from vcf_benchmarks.waterfall.kinds import Kind
from vcf_benchmarks.waterfall.timeline import ClocksDisagree, Part, account, bracket, exchange, timeline
from vcf_benchmarks.waterfall.trace import Stamps, Trace
from vcf_contract.contract import CENTRE_LINE, SPINAL_CORD_DETECTOR, VCF_SCOUT

MS = 1_000_000


def stamps(model: str, start: float, queue: float, inputs: float, compute: float, output: float) -> Stamps:
    """A step that begins at ``start`` and spends this many ms on each."""
    marks = np.cumsum([start, queue, inputs, compute, output])
    names = ("REQUEST_START", "COMPUTE_START", "COMPUTE_INPUT_END", "COMPUTE_OUTPUT_START", "COMPUTE_END")
    return Stamps(model, {name: round(mark * MS) for name, mark in zip(names, marks, strict=True)})


def probe(name: str, sent: float, there: float, worked: float, back: float, skew: float) -> tuple[Event, Trace]:
    """An exchange in client ms; the server's clock is ``skew`` ms behind the client's."""
    arrived = sent + there
    at = {"GRPC_WAITREAD_END": arrived, "REQUEST_START": arrived, "GRPC_SEND_START": arrived + worked}
    entry = Stamps("sequence_head", {mark: round((ms - skew) * MS) for mark, ms in at.items()})
    end = arrived + worked + back
    return Event(did.EXCHANGE, round(sent * MS), round(end * MS), name, "sequence_head"), Trace(name, entry)


@pytest.mark.parametrize("skew", [0.0, 0.7, -3.2e6, 5.5e9])
def test_the_bracket_holds_the_true_offset_and_is_as_narrow_as_the_fastest_ways(skew: float) -> None:
    rng = np.random.default_rng(7)
    ways = rng.uniform(0.2, 5, (30, 2))
    pairs = [probe(str(n), 10.0 * n, there, 2.0, back, skew) for n, (there, back) in enumerate(ways)]
    found = bracket([event for event, _ in pairs], {trace.request_id: trace for _, trace in pairs})
    assert found.low_ns <= skew * MS <= found.high_ns
    assert found.high_ns - found.low_ns == pytest.approx(ways.min(axis=0).sum() * MS, abs=10)
    assert abs(found.ns - skew * MS) <= found.uncertainty_ns


def test_clocks_that_may_be_one_are_taken_as_one() -> None:
    event, trace = probe("one", 0, 0.1, 1, 3.0, skew=0)
    found = bracket([event], {"one": trace})
    assert found.ns == 0
    assert found.uncertainty_ns == pytest.approx(3.0 * MS)


def test_a_clock_that_jumps_between_exchanges_is_noticed() -> None:
    first, before = probe("first", 0, 0.1, 1, 0.1, skew=0)
    second, after = probe("second", 10, 0.1, 1, 0.1, skew=5)
    with pytest.raises(ClocksDisagree, match=r"4\.80 ms"):
        bracket([first, second], {"first": before, "second": after})


def test_without_any_trace_there_is_no_offset() -> None:
    event, _ = probe("one", 0, 0.1, 1, 0.1, skew=0)
    with pytest.raises(ValueError, match="no exchange has a trace"):
        bracket([event], {})


def scout(skew: float = 0.0) -> tuple[Event, Trace]:
    """A scout request from 10 to 50 ms whose detector lets go of its request 6 ms after the next step began."""
    detector = stamps(SPINAL_CORD_DETECTOR.name, 15 - skew, 1, 2, 10, 8)
    line = stamps(CENTRE_LINE.name, 30 - skew, 0.5, 0.5, 4, 1)
    at = {"GRPC_WAITREAD_END": 14, "REQUEST_START": 15, "GRPC_SEND_START": 35.5}
    entry = Stamps(VCF_SCOUT.name, {name: round((ms - skew) * MS) for name, ms in at.items()})
    return Event(did.EXCHANGE, 10 * MS, 50 * MS, "r", VCF_SCOUT.name), Trace("r", entry, (detector, line))


@pytest.mark.parametrize("skew", [0.0, 123.4])
def test_an_exchange_falls_into_its_parts(skew: float) -> None:
    event, trace = scout(skew)
    spans = {
        (part.label, part.kind): (part.start_ns / MS, part.end_ns / MS)
        for part in exchange(event, trace, round(skew * MS))
    }
    expected = {
        ("request", Kind.NETWORK): (10, 14),
        ("front end", Kind.FRONTEND): (14, 15),
        (SPINAL_CORD_DETECTOR.name, Kind.QUEUE): (15, 16),
        (SPINAL_CORD_DETECTOR.name, Kind.INPUT): (16, 18),
        (SPINAL_CORD_DETECTOR.name, Kind.COMPUTE): (18, 28),
        # Until the centre line, which reads what it wrote, began; not until it had cleaned up.
        (SPINAL_CORD_DETECTOR.name, Kind.OUTPUT): (28, 30),
        (CENTRE_LINE.name, Kind.QUEUE): (30, 30.5),
        (CENTRE_LINE.name, Kind.INPUT): (30.5, 31),
        (CENTRE_LINE.name, Kind.COMPUTE): (31, 35),
        # Until the answer was on its way.
        (CENTRE_LINE.name, Kind.OUTPUT): (35, 35.5),
        ("answer", Kind.NETWORK): (35.5, 50),
    }
    assert spans.keys() == expected.keys()
    for name, span in expected.items():
        assert spans[name] == pytest.approx(span, abs=1e-5), name


def test_a_step_that_ran_no_model_is_left_to_the_remainder() -> None:
    event, trace = scout()
    cached = Stamps(CENTRE_LINE.name, {"REQUEST_START": 30 * MS})
    parts = exchange(event, Trace("r", trace.request, (trace.steps[0], cached)), 0)
    assert {part.label for part in parts if part.kind is Kind.COMPUTE} == {SPINAL_CORD_DETECTOR.name}
    assert account(parts, 10 * MS, 50 * MS).remainder_ns == pytest.approx(5.5 * MS)


def test_every_instant_is_counted_once_and_what_nobody_claims_is_the_remainder() -> None:
    parts = [
        Part("alone", Kind.READ, 5, 20),
        Part("a", Kind.COMPUTE, 30, 60),
        Part("b", Kind.COMPUTE, 40, 80),
        Part("c", Kind.QUEUE, 35, 90),
    ]
    found = account(parts, 0, 100)
    # c's waiting counts from 80 to 90 alone; a and b halve 40 to 60.
    assert found.shares_ns == (15, 20, 30, 10)
    assert found.remainder_ns == 100 - 15 - 60
    assert found.by_kind_ns() == {Kind.READ: 15, Kind.QUEUE: 10, Kind.COMPUTE: 50}


def test_random_parts_add_up_to_the_time_they_cover() -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        spans = np.sort(rng.integers(0, 200, (12, 2)), axis=1)
        kinds = rng.choice(np.array([Kind.QUEUE, Kind.COMPUTE, Kind.NETWORK], object), len(spans))
        parts = [Part(str(n), kind, *map(int, span)) for n, (kind, span) in enumerate(zip(kinds, spans, strict=True))]
        covered = {instant for start, end in spans for instant in range(start, end)}
        found = account(parts, 0, 200)
        assert sum(found.shares_ns) == pytest.approx(len(covered))
        assert found.remainder_ns == pytest.approx(200 - len(covered))


@pytest.mark.parametrize("span", [(-1, 5), (5, 101), (9, 8)])
def test_a_part_outside_the_study_is_an_error(span: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="answer, network"):
        account([Part("answer", Kind.NETWORK, *span)], 0, 100)


def test_an_exchange_without_a_trace_is_one_part() -> None:
    event, trace = scout()
    events = (Event(did.DECODE, 0, 10 * MS), event, Event(did.REPORT, 50 * MS, 60 * MS))
    record = ClientRecord(0, 60 * MS, events, findings=None)  # type: ignore[arg-type]
    blind, seen = timeline(record, {}, 0), timeline(record, {"r": trace}, 0)
    assert [part.kind for part in blind] == [Kind.READ, Kind.WHOLE_EXCHANGE, Kind.REPORT]
    assert account(blind, 0, 60 * MS).remainder_ns == 0
    assert len(seen) == 2 + 3 + 2 * 4
    assert account(seen, 0, 60 * MS).remainder_ns == 0
