# SPDX-License-Identifier: Apache-2.0
"""A study through Triton and in one process, in turn: one at a time, then as fast as callers get answers.

Latency is that of one study alone on the machine. Throughput is that of loops in which the next study follows as soon
as one is answered, each with the number of callers that makes it fastest; client, server and Triton share the cores
that the loop in one process has to itself.
"""

import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence

from vcf_benchmarks.harness import machine
from vcf_benchmarks.harness.answers import Check
from vcf_benchmarks.harness.closed_loop import Loop, closed_loop
from vcf_benchmarks.harness.own_process import PipelineProcess
from vcf_benchmarks.harness.processes import OTHER, cpu_s_by_part
from vcf_benchmarks.harness.timing import BREATH_S, paired_ms
from vcf_benchmarks.harness.windows import recent, rounds_of, until_settled
from vcf_benchmarks.overhead.figures import LOOPS, latency_target, throughput_target
from vcf_benchmarks.overhead.goals import CLIENT, IN_PROCESS
from vcf_client import VcfClient
from vcf_client.study import Study

TRIALS = 3
"""Rounds of short loops that find the best number of callers, every other one backwards: in one, a slow second of the
machine would choose."""
MOST_WINDOWS = 6
"""The limit of windows of saturated loops."""


def latencies(
    study: Study, pipeline: PipelineProcess, clients: Mapping[str, VcfClient], runs: int, check: Check
) -> tuple[dict[str, list[float]], int]:
    """Time studies each way in turn: the times of all windows, and how many windows there were."""
    ways: dict[str, Callable[[], object]] = {IN_PROCESS: lambda: check.scores(pipeline.scores())}
    for transport, client in clients.items():
        ways[transport] = lambda client=client: check.findings(client.analyze(study))  # type: ignore[misc]
    times: dict[str, list[float]] = {way: [] for way in ways}

    def window() -> None:
        for way, times_ms in paired_ms(rounds_of(runs), breath_s=BREATH_S, **ways).items():
            times[way] += times_ms

    def unsettled() -> bool:
        return any(latency_target(way, times[way], times[IN_PROCESS], rounds_of(runs)).unsettled for way in clients)

    return times, until_settled(window, unsettled)


def saturated(
    study: Study, pipeline: PipelineProcess, clients: Mapping[str, VcfClient], seconds: float, check: Check
) -> tuple[dict[str, list[Loop]], dict[str, dict[str, float]]]:
    """Run loops each way in turn, with the number of callers that was fastest in short loops; and what a study of
    theirs takes of the processor, by process, in milliseconds.
    """
    cores = machine.cores()

    pipeline_s = 0.0

    def in_process(at_once: int, seconds: float) -> Loop:
        nonlocal pipeline_s
        found = pipeline.loop(at_once, seconds)
        pipeline_s += found.core_s
        for scores in found.scores:
            check.scores(scores)
        return found.loop

    def served(client: VcfClient) -> Callable[[int, float], Loop]:
        return lambda at_once, seconds: closed_loop(lambda: check.findings(client.analyze(study)), at_once, seconds)

    ways = {IN_PROCESS: in_process} | {transport: served(client) for transport, client in clients.items()}
    # As many as cores keep them busy in one process; served, the next study is prepared meanwhile.
    tried = {IN_PROCESS: (1, cores, cores + 1, 2 * cores)} | dict.fromkeys(clients, (cores + 1, 2 * cores, 3 * cores))
    best = fastest(ways, tried, seconds / LOOPS)
    loops: dict[str, list[Loop]] = {way: [] for way in ways}
    used_s: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    studies: dict[str, list[int]] = {way: [] for way in ways}

    def window() -> None:
        for way, loop in [*ways.items()] * LOOPS:
            before_s, answers_before = _core_s() | {IN_PROCESS: pipeline_s}, check.answers
            loops[way].append(loop(best[way], seconds / LOOPS))
            after_s = _core_s() | {IN_PROCESS: pipeline_s}
            used_s[way].append({part: core_s - before_s.get(part, 0.0) for part, core_s in after_s.items()})
            studies[way].append(check.answers - answers_before)

    def unsettled() -> bool:
        return any(throughput_target(way, loops[way], loops[IN_PROCESS]).unsettled for way in clients)

    until_settled(window, unsettled, MOST_WINDOWS)
    return loops, {way: core_ms_of(recent(used_s[way], LOOPS), recent(studies[way], LOOPS)) for way in ways}


def core_ms_of(used_s: Sequence[Mapping[str, float]], studies: Sequence[int]) -> dict[str, float]:
    """Return the processor time of a study by process, from what loops took and how many studies they answered."""
    parts = dict.fromkeys(part for loop in used_s for part in loop)
    return {part: 1e3 * sum(loop.get(part, 0.0) for loop in used_s) / sum(studies) for part in parts}


def fastest(
    ways: Mapping[str, Callable[[int, float], Loop]], tried: Mapping[str, Sequence[int]], seconds: float
) -> dict[str, int]:
    """Return the number of callers of those tried each way that has the highest rate, median of the trials."""
    pairs = [(way, callers) for way in ways for callers in tried[way]]
    per_s: dict[tuple[str, int], list[float]] = {pair: [] for pair in pairs}
    for trial in range(TRIALS):
        for way, callers in reversed(pairs) if trial % 2 else pairs:
            per_s[way, callers].append(ways[way](callers, seconds).per_s)
    return {way: max(tried[way], key=lambda callers: statistics.median(per_s[way, callers])) for way in ways}


def _core_s() -> dict[str, float]:
    """Return the processor time so far of this process, which is the client, and of the server's."""
    parts = cpu_s_by_part(os.getpid())
    parts.pop(OTHER, None)  # the pipeline's process, which tells its own time, and the resource tracker
    return parts | {CLIENT: time.process_time()}
