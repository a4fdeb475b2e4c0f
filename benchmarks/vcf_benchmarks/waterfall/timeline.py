# SPDX-License-Identifier: Apache-2.0
"""Client events and Triton's traces on one clock, and every instant of a study given to what it went to.

**Clocks.** A request cannot reach the server before the client begins to send it, nor its answer reach the client
before the server sends it. Each exchange therefore brackets the offset between the two clocks, and all of them
together bracket it narrowly; where zero lies in the bracket the clocks are one (the monotonic clock of one machine).

**Accounting.** An instant goes to the parts that are active in it, in equal shares where several are (the encoders run
in parallel); waiting in a queue counts only while nothing works for the study. So the parts add up to the time that
some part covers, and what is left of the whole is the remainder.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from vcf_benchmarks.waterfall import client as did
from vcf_benchmarks.waterfall.client import ClientRecord, Event
from vcf_benchmarks.waterfall.kinds import Kind
from vcf_benchmarks.waterfall.trace import Stamps, Trace
from vcf_contract.contract import ENSEMBLES, Ensemble

CLIENT_KINDS: Mapping[str, Kind] = {
    did.SCAN: Kind.READ,
    did.DECODE: Kind.READ,
    did.FILES: Kind.READ,
    did.IMAGES: Kind.PREPARE,
    did.CUT: Kind.PREPARE,
    did.VIEW: Kind.PREPARE,
    did.COPY: Kind.PREPARE,
    did.REGION: Kind.PREPARE,
    did.ADMIT: Kind.WHOLE_EXCHANGE,
    did.SERIALISE: Kind.SERIALISE,
    did.ANSWER: Kind.SERIALISE,
    did.FINDINGS: Kind.FINDINGS,
    did.REPORT: Kind.REPORT,
}
REQUEST, RESPONSE, FRONTEND = "request", "answer", "front end"
REQUESTS: Mapping[str, Ensemble] = {ensemble.name: ensemble for ensemble in ENSEMBLES}


class ClocksDisagree(ValueError):
    """No single offset fits all exchanges: a clock jumped or drifts."""


@dataclass(frozen=True)
class Part:
    """Something that took time, on the client's clock. ``request`` is the ensemble asked, if it belongs to one."""

    label: str
    kind: Kind
    start_ns: int
    end_ns: int
    request: str | None = None


@dataclass(frozen=True)
class Offset:
    """Client time less server time, which lies between these."""

    low_ns: int
    high_ns: int

    @property
    def ns(self) -> int:
        """Zero if that is possible, otherwise the middle."""
        return 0 if self.low_ns <= 0 <= self.high_ns else (self.low_ns + self.high_ns) // 2

    @property
    def uncertainty_ns(self) -> int:
        """The most that `ns` can be off by: what a network part may have taken from its neighbour."""
        return max(self.high_ns - self.ns, self.ns - self.low_ns)


def bracket(exchanges: Iterable[Event], traces: Mapping[str, Trace]) -> Offset:
    """Bracket the clocks' offset by exchanges whose traces are there.

    Raises
    ------
    ClocksDisagree
        If no offset fits all of them.
    ValueError
        If there is none.
    """
    lows, highs = [], []
    for exchange in exchanges:
        trace = traces.get(exchange.request_id or "")
        if trace is not None:
            lows.append(exchange.start_ns - _arrived(trace.request))
            highs.append(exchange.end_ns - _answered(trace.request))
    if not lows:
        raise ValueError("no exchange has a trace, so nothing says how the clocks relate")
    offset = Offset(max(lows), min(highs))
    if offset.low_ns > offset.high_ns:
        raise ClocksDisagree(
            f"the clocks of client and server moved by {(offset.low_ns - offset.high_ns) / 1e6:.2f} ms or more "
            "against each other during the run"
        )
    return offset


_ARRIVED = ("GRPC_WAITREAD_END", "REQUEST_START")
_ANSWERED = ("GRPC_SEND_START", "INFER_RESPONSE_COMPLETE", "REQUEST_END")
"""The first of these that the server stamped: over gRPC the first of all."""
_STEP = ("REQUEST_START", "COMPUTE_START", "COMPUTE_INPUT_END", "COMPUTE_OUTPUT_START", "COMPUTE_END")


def _arrived(request: Stamps) -> int:
    return next(request.at_ns[name] for name in _ARRIVED if name in request.at_ns)


def _answered(request: Stamps) -> int:
    return next(request.at_ns[name] for name in _ANSWERED if name in request.at_ns)


def timeline(record: ClientRecord, traces: Mapping[str, Trace], offset_ns: int) -> list[Part]:
    """List all parts of a study, by their beginning. Exchanges without a trace are one part each."""
    parts: list[Part] = []
    for event in record.events:
        if event.name != did.EXCHANGE:
            parts.append(
                Part(
                    event.name, CLIENT_KINDS.get(event.name, Kind.PREPARE), event.start_ns, event.end_ns, event.request
                )
            )
        elif (trace := traces.get(event.request_id or "")) is not None:
            parts += exchange(event, trace, offset_ns)
        else:
            parts.append(Part(did.EXCHANGE, Kind.WHOLE_EXCHANGE, event.start_ns, event.end_ns, event.request))
    return sorted(parts, key=lambda part: (part.start_ns, part.end_ns))


def exchange(event: Event, trace: Trace, offset_ns: int) -> list[Part]:
    """List the parts of one request and its answer: the way there, the front end, every model, the way back."""
    request = trace.request
    arrived, answered = _arrived(request) + offset_ns, _answered(request) + offset_ns
    parts = [
        Part(REQUEST, Kind.NETWORK, event.start_ns, arrived, request.model),
        Part(FRONTEND, Kind.FRONTEND, arrived, request.at_ns["REQUEST_START"] + offset_ns, request.model),
    ]
    for step in trace.steps or (request,):
        parts += _step(step, _handed_over(step, trace), offset_ns, request.model)
    return [*parts, Part(RESPONSE, Kind.NETWORK, answered, event.end_ns, request.model)]


def _step(step: Stamps, handed_over_ns: int, offset_ns: int, request: str) -> list[Part]:
    """List the parts of a step; none for one that ran no model, as an answer from the cache: the remainder has it."""
    if not all(name in step.at_ns for name in _STEP):
        return []
    *marks, ended = (step.at_ns[name] for name in _STEP)
    marks.append(min(ended, max(handed_over_ns, marks[-1])))
    kinds = (Kind.QUEUE, Kind.INPUT, Kind.COMPUTE, Kind.OUTPUT)
    return [
        Part(step.model, kind, start + offset_ns, end + offset_ns, request)
        for kind, (start, end) in zip(kinds, pairwise(marks), strict=True)
    ]


def _handed_over(step: Stamps, trace: Trace) -> int:
    """Return when the study went on with what the step made.

    Triton stamps COMPUTE_END after the step has let go of its request, and by then a step that reads its output, or
    the answer itself, may be under way: that time does not hold up the study.
    """
    ensemble = REQUESTS.get(trace.request.model)
    wired = {one.model: one for one in ensemble.steps} if ensemble else {}
    if step.model not in wired:
        return _answered(trace.request)
    made = set(wired[step.model].outputs.values())
    readers = [
        other.at_ns["REQUEST_START"]
        for other in trace.steps
        if other.model in wired and "REQUEST_START" in other.at_ns and made & set(wired[other.model].inputs.values())
    ]
    return min(readers, default=_answered(trace.request))


@dataclass(frozen=True)
class Account:
    """Tell where a study's time went: ns of each part, in the order of ``parts``, and what no part covers."""

    whole_ns: int
    parts: tuple[Part, ...]
    shares_ns: tuple[float, ...]

    @property
    def remainder_ns(self) -> float:
        """The client's own code between what it hands to its call layer, and Triton's between its steps."""
        return self.whole_ns - sum(self.shares_ns)

    def by_kind_ns(self) -> dict[Kind, float]:
        """Add up the shares of each kind that occurs."""
        found: dict[Kind, float] = dict.fromkeys(Kind, 0.0)
        for part, share in zip(self.parts, self.shares_ns, strict=True):
            found[part.kind] += share
        return {kind: ns for kind, ns in found.items() if any(part.kind is kind for part in self.parts)}


def account(parts: Sequence[Part], start_ns: int, end_ns: int) -> Account:
    """Give every instant between start and end to the parts that are active in it.

    Raises
    ------
    ValueError
        If a part lies outside, or ends before it begins, by more than nothing: the clocks were joined wrongly.
    """
    for part in parts:
        if not start_ns <= part.start_ns <= part.end_ns <= end_ns:
            raise ValueError(
                f"{part.label}, {part.kind}, runs from {(part.start_ns - start_ns) / 1e6:.3f} to "
                f"{(part.end_ns - start_ns) / 1e6:.3f} ms of a study of {(end_ns - start_ns) / 1e6:.3f} ms"
            )
    shares = [0.0] * len(parts)
    marks = sorted({mark for part in parts for mark in (part.start_ns, part.end_ns)})
    for start, end in pairwise(marks):
        active = [number for number, part in enumerate(parts) if part.start_ns <= start and part.end_ns >= end]
        working = [number for number in active if parts[number].kind is not Kind.QUEUE] or active
        for number in working:
            shares[number] += (end - start) / len(working)
    return Account(end_ns - start_ns, tuple(parts), tuple(shares))
