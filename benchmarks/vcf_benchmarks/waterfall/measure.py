# SPDX-License-Identifier: Apache-2.0
"""Studies by several transports in turn, their traces joined, and the rules that such a run must keep."""

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from vcf_benchmarks.harness import validity
from vcf_benchmarks.harness.answers import BATCHED_WITHIN, Check, scores_of
from vcf_benchmarks.harness.timing import parts
from vcf_benchmarks.harness.windows import COUNTED, recent, rounds_of, until_settled
from vcf_benchmarks.waterfall.client import EXCHANGE, ClientRecord, Event, Recording, RecordingClient
from vcf_benchmarks.waterfall.kinds import REMAINDER_FLOOR_MS, REMAINDER_SHARE
from vcf_benchmarks.waterfall.statistics import per_study_ms, totals
from vcf_benchmarks.waterfall.timeline import Account, ClocksDisagree, Offset, account, bracket, timeline
from vcf_benchmarks.waterfall.trace import Trace, TraceFiles
from vcf_client.calls import finish
from vcf_client.endpoint import Connection, Endpoint
from vcf_client.findings import Findings
from vcf_client.message import Inputs, prepare
from vcf_contract.contract import SLICE_IMAGES, SPINAL_CORD_DETECTOR

PROBES = 20
"""Short requests for the clocks' sake; the fastest of them says how they relate."""

Accounts = list[tuple[ClientRecord, Account]]


@dataclass(frozen=True)
class Measured:
    """All studies of a run.

    accounts
        By transport: each study that can be accounted for.
    offset
        None where no trace could be read.
    statistics_ms
        In place of traces, by transport, model and kind: the mean of a study.
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
    transports: Sequence[str],
    runs: int,
    warm_up: int,
    *,
    own: bool = True,
) -> Measured:
    """Time each transport about ``runs`` times after ``warm_up`` uncounted rounds, in turn, until windows agree.

    Without traces one transport follows the other, for a model's statistics do not say whose request it ran. Where the
    server is not this process' ``own``, its work cannot be told from other processes', and the machine is not watched.
    """
    records: dict[str, list[ClientRecord]] = {transport: [] for transport in transports}
    statistics_ms: dict[str, dict[str, dict[str, float]]] = {}
    windows = 1

    def all_times() -> dict[str, list[float]]:
        return {transport: times_ms(of) for transport, of in records.items()}

    with TemporaryDirectory(prefix="vcf-waterfall-") as folder, ExitStack() as open_clients:
        clients = {
            transport: open_clients.enter_context(RecordingClient(address, transport)) for transport in transports
        }
        for _ in range(warm_up):
            for client in clients.values():
                client.analyze(study, Path(folder))
        with validity.watched(os.getpid()) if own else nullcontext(validity.Watch()) as watch:
            if files:

                def window() -> None:
                    for _ in range(rounds_of(runs)):
                        for transport, client in clients.items():
                            records[transport].append(client.analyze(study, Path(folder)))

                def unsettled() -> bool:
                    counted = {transport: recent(of, rounds_of(runs)) for transport, of in all_times().items()}
                    return bool(unstable(counted, in_turn=True))

                windows = until_settled(window, unsettled)
                records = {transport: list(recent(of, rounds_of(runs))) for transport, of in records.items()}
            else:
                for transport, client in clients.items():
                    before = totals(address)
                    records[transport] = [client.analyze(study, Path(folder)) for _ in range(runs)]
                    statistics_ms[transport] = per_study_ms(before, totals(address), runs)
        probes = probe(address) if files else []
    broken = watch.broken
    accounts, offset = join(records, probes, files, broken)
    broken += differing([record.findings for all_of in records.values() for record in all_of])
    broken += unstable(all_times(), in_turn=files is not None)
    for transport, all_of in accounts.items():
        broken += unaccounted(transport, all_of)
    return Measured(accounts, offset, statistics_ms, broken, windows)


def probe(address: str) -> list[Event]:
    """Make short exchanges: the network with the smallest input that a client can send gets one empty image."""
    calls = Recording()
    server = Endpoint(address, Connection(), calls)
    inputs: Inputs = [(SLICE_IMAGES, np.zeros((1, *SLICE_IMAGES.shape[1:]), np.float32))]
    for number in range(PROBES):
        request = finish(calls.work(prepare, SPINAL_CORD_DETECTOR.name, f"clock-probe-{number}", inputs))
        finish(server.infer(request, timeout_s=10.0))
    finish(server.close())
    return [event for event in calls.events if event.name == EXCHANGE]


def join(
    records: Mapping[str, Sequence[ClientRecord]], probes: Sequence[Event], files: TraceFiles | None, broken: list[str]
) -> tuple[dict[str, Accounts], Offset | None]:
    """Put client and server on one clock. Studies with a trace missing are left out, and ``broken`` gets the rule."""
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
    for transport, all_of in records.items():
        if files and offset is None:
            accounts[transport] = []
            continue
        complete = [one for one in all_of if files is None or all(name in traces for name in one.request_ids)]
        accounts[transport] = [
            (one, account(timeline(one, traces, offset.ns if offset else 0), one.start_ns, one.end_ns))
            for one in complete
        ]
    return accounts, offset


def differing(answers: Sequence[Findings]) -> list[str]:
    """Return the rule of studies whose scores are not those of the first; batches differ, and nothing else may."""
    check = Check(scores_of(answers[0]), BATCHED_WITHIN)
    for answer in answers:
        check.findings(answer)
    return [rule] if (rule := validity.wrong(check.answers, check.mistaken)) else []


def times_ms(records: Iterable[ClientRecord]) -> list[float]:
    """Return the time from the first to the last moment of each study."""
    return [(record.end_ns - record.start_ns) / 1e6 for record in records]


def compared(whole_ms: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    """Return each transport's time over that of the others in its round; of one alone its time.

    A slow minute of the machine is in all of them, and the parts of a study say as much in it as in a fast one.
    """
    if len(whole_ms) == 1:
        return {transport: list(times) for transport, times in whole_ms.items()}
    rounds = [sum(turn) for turn in zip(*whole_ms.values(), strict=True)]
    return {
        transport: [ms / (sum_ms - ms) for ms, sum_ms in zip(of, rounds, strict=True)]
        for transport, of in whole_ms.items()
    }


def unstable(whole_ms: Mapping[str, Sequence[float]], *, in_turn: bool) -> list[str]:
    """Return the rules of thirds of the run that differ too much, and by more than chance; `compared` if in turn."""
    if min(map(len, whole_ms.values())) < COUNTED:
        return []
    what = "a study by {}, in ms" if len(whole_ms) == 1 or not in_turn else "a study by {}, over the other transports"
    values = compared(whole_ms) if in_turn else whole_ms
    rules = [validity.unstable_medians(parts(of), what.format(transport)) for transport, of in values.items()]
    return [rule for rule in rules if rule]


def unaccounted(transport: str, accounts: Accounts) -> list[str]:
    """Return the rule of the remainder, for the study that is shown."""
    if not accounts:
        return [f"no study by {transport} can be accounted for"]
    _, shown = median_study(accounts)
    bound_ns = max(REMAINDER_FLOOR_MS * 1e6, REMAINDER_SHARE * shown.whole_ns)
    if shown.remainder_ns <= bound_ns:
        return []
    return [
        f"by {transport}, {shown.remainder_ns / 1e6:.1f} of {shown.whole_ns / 1e6:.1f} ms belong to no part, "
        f"over {bound_ns / 1e6:.1f} ms"
    ]


def median_study(accounts: Accounts) -> tuple[ClientRecord, Account]:
    """Return the study whose whole time is the median, the faster of the two middle ones if they are even in number."""
    ranked = sorted(accounts, key=lambda pair: pair[1].whole_ns)
    return ranked[(len(ranked) - 1) // 2]
