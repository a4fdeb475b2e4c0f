# SPDX-License-Identifier: Apache-2.0
"""Studies by several wires in turn, their traces joined, and the rules that such a run must keep."""

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks import validity
from benchmarks.timing import parts
from benchmarks.waterfall_client import EXCHANGE, ClientRecord, Event, Recording, RecordingClient
from benchmarks.waterfall_statistics import per_study_ms, totals
from benchmarks.waterfall_timeline import Account, ClocksDisagree, Offset, account, bracket, timeline
from benchmarks.waterfall_trace import Trace, TraceFiles
from benchmarks.windows import COUNTED, recent, rounds_of, until_settled
from clients.calls import finish
from clients.endpoint import Connection, Endpoint
from clients.findings import Findings
from clients.wire import Inputs, prepare
from vcf.contract import FEATURE_ROWS, FEATURES, FLIPS, HEADS, LOCATION

REMAINDER_SHARE, REMAINDER_FLOOR_MS = 0.03, 2.0
"""The most of a study's time that no part may cover, as a share of the whole; under the floor it is always allowed."""
SCORE_TOLERANCE = 1e-3
"""Between the wires, which differ in how patches are batched and in nothing else."""
PROBES = 20
"""Tiny requests for the clocks' sake; the fastest of them says how they relate."""

Accounts = list[tuple[ClientRecord, Account]]


@dataclass(frozen=True)
class Measured:
    """All studies of a run.

    accounts
        By wire: each study that can be accounted for.
    offset
        None where no trace could be read.
    statistics_ms
        In place of traces, by wire, model and kind: the mean of a study.
    broken
        Rules that the run broke.
    """

    accounts: dict[str, Accounts]
    offset: Offset | None
    statistics_ms: dict[str, dict[str, dict[str, float]]]
    broken: list[str]
    windows: int = 1
    """Measured until the last three agreed."""


def measure(
    address: str,
    files: TraceFiles | None,
    study: Path,
    wires: Sequence[str],
    runs: int,
    warm_up: int,
    *,
    own: bool = True,
) -> Measured:
    """Each wire about ``runs`` times after ``warm_up`` uncounted rounds: A B C D A B C D …, until windows agree.

    Without traces one wire follows the other, for a model's statistics do not say whose request it ran. Where the
    server is not this process' ``own``, its work cannot be told from other processes', and the machine is not watched.
    """
    records: dict[str, list[ClientRecord]] = {wire: [] for wire in wires}
    statistics_ms: dict[str, dict[str, dict[str, float]]] = {}
    windows = 1

    def all_times() -> dict[str, list[float]]:
        return {wire: times_ms(of) for wire, of in records.items()}

    with TemporaryDirectory(prefix="vcf-waterfall-") as folder, ExitStack() as open_clients:
        clients = {wire: open_clients.enter_context(RecordingClient(address, wire)) for wire in wires}
        for _ in range(warm_up):
            for client in clients.values():
                client.analyze(study, Path(folder))
        with validity.watched(os.getpid()) if own else nullcontext(validity.Watch()) as watch:
            if files:

                def window() -> None:
                    for _ in range(rounds_of(runs)):
                        for wire, client in clients.items():
                            records[wire].append(client.analyze(study, Path(folder)))

                def unsettled() -> bool:
                    counted = {wire: recent(of, rounds_of(runs)) for wire, of in all_times().items()}
                    return bool(unstable(counted, in_turn=True))

                windows = until_settled(window, unsettled)
                records = {wire: list(recent(of, rounds_of(runs))) for wire, of in records.items()}
            else:
                for wire, client in clients.items():
                    before = totals(address)
                    records[wire] = [client.analyze(study, Path(folder)) for _ in range(runs)]
                    statistics_ms[wire] = per_study_ms(before, totals(address), runs)
        probes = probe(address) if files else []
    broken = watch.broken
    accounts, offset = join(records, probes, files, broken)
    broken += differing([record.findings for all_of in records.values() for record in all_of])
    broken += unstable(all_times(), in_turn=files is not None)
    for wire, all_of in accounts.items():
        broken += unaccounted(wire, all_of)
    return Measured(accounts, offset, statistics_ms, broken, windows)


def probe(address: str) -> list[Event]:
    """Exchanges as short as there are: two patches through a head."""
    calls = Recording()
    server = Endpoint(address, Connection(), calls)
    patches = 2
    inputs: Inputs = [
        (FEATURE_ROWS, np.zeros((patches * len(FLIPS), FEATURES), np.float32)),
        (LOCATION, np.linspace(0, 1, patches, dtype=np.float32)),
    ]
    for number in range(PROBES):
        request = finish(calls.work(prepare, HEADS[0].name, f"clock-probe-{number}", inputs))
        finish(server.infer(request, timeout_s=10.0))
    finish(server.close())
    return [event for event in calls.events if event.name == EXCHANGE]


def join(
    records: Mapping[str, Sequence[ClientRecord]], probes: Sequence[Event], files: TraceFiles | None, broken: list[str]
) -> tuple[dict[str, Accounts], Offset | None]:
    """Client and server on one clock. Studies with a trace missing are left out, and ``broken`` gets the rule."""
    traces: dict[str, Trace] = {}
    offset: Offset | None = None
    if files:
        exchanges = [
            *(event for all_of in records.values() for record in all_of for event in record.events),
            *probes,
        ]
        exchanges = [event for event in exchanges if event.name == EXCHANGE and event.request_id]
        traces = files.collect([str(event.request_id) for event in exchanges])
        if missing := len(exchanges) - len(traces):
            broken.append(f"{missing} of {len(exchanges)} requests left no trace: their studies are left out")
        if traces:
            try:
                offset = bracket(exchanges, traces)
            except ClocksDisagree as error:
                broken.append(str(error))
    accounts: dict[str, Accounts] = {}
    for wire, all_of in records.items():
        if files and offset is None:
            accounts[wire] = []
            continue
        complete = [one for one in all_of if files is None or all(name in traces for name in one.request_ids)]
        accounts[wire] = [
            (one, account(timeline(one, traces, offset.ns if offset else 0), one.start_ns, one.end_ns))
            for one in complete
        ]
    return accounts, offset


def differing(answers: Sequence[Findings]) -> list[str]:
    """Studies whose scores are not those of the first."""
    first = answers[0]
    mistaken = sum(
        len(one.patches) != len(first.patches)
        or any(abs(a.score - b.score) > SCORE_TOLERANCE for a, b in zip(one.patches, first.patches, strict=True))
        for one in answers
    )
    return [rule] if (rule := validity.wrong(len(answers), mistaken)) else []


def times_ms(records: Iterable[ClientRecord]) -> list[float]:
    """From the first to the last moment of each study."""
    return [(record.end_ns - record.start_ns) / 1e6 for record in records]


def compared(whole_ms: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    """Of wires that took turns, each one's time over that of the others in its round; of one alone its time.

    A slow minute of the machine is in all of them, and the parts of a study say as much in it as in a fast one.
    """
    if len(whole_ms) == 1:
        return {wire: list(times) for wire, times in whole_ms.items()}
    rounds = [sum(turn) for turn in zip(*whole_ms.values(), strict=True)]
    return {wire: [ms / (sum_ms - ms) for ms, sum_ms in zip(of, rounds, strict=True)] for wire, of in whole_ms.items()}


def unstable(whole_ms: Mapping[str, Sequence[float]], *, in_turn: bool) -> list[str]:
    """First, middle and last third that differ too much, and by more than chance; of `compared` if they took turns."""
    if min(map(len, whole_ms.values())) < COUNTED:
        return []
    what = "a study by {}, in ms" if len(whole_ms) == 1 or not in_turn else "a study by {}, over the other wires"
    values = compared(whole_ms) if in_turn else whole_ms
    rules = [validity.unstable_medians(parts(of), what.format(wire)) for wire, of in values.items()]
    return [rule for rule in rules if rule]


def unaccounted(wire: str, accounts: Accounts) -> list[str]:
    """The rule of the remainder, for the study that is shown."""
    if not accounts:
        return [f"no study by {wire} can be accounted for"]
    _, shown = median_study(accounts)
    bound_ns = max(REMAINDER_FLOOR_MS * 1e6, REMAINDER_SHARE * shown.whole_ns)
    if shown.remainder_ns <= bound_ns:
        return []
    return [
        f"by {wire}, {shown.remainder_ns / 1e6:.1f} of {shown.whole_ns / 1e6:.1f} ms belong to no part, "
        f"over {bound_ns / 1e6:.1f} ms"
    ]


def median_study(accounts: Accounts) -> tuple[ClientRecord, Account]:
    """The study whose whole time is the median, the faster of the two middle ones if they are even in number."""
    ranked = sorted(accounts, key=lambda pair: pair[1].whole_ns)
    return ranked[(len(ranked) - 1) // 2]
