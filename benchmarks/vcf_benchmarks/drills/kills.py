# SPDX-License-Identifier: Apache-2.0
"""Kill −9 of every process of ``vcf serve``, idle and under load: when it answers again, and what is left behind."""

import os
import signal
import time

import psutil

from vcf_benchmarks.drills.figures import Line
from vcf_benchmarks.drills.serving import GUARD, OWNER, Load, Serving, left_over, seconds_until_it_answers
from vcf_benchmarks.harness.studies import stretched_ct
from vcf_client.study import Study

MOST_S = 5.0
AT_ONCE, URGENT = 2, 1
WAIT_S = 10.0
"""A caller whose study is lost is told after so long at most, whatever its deadline is."""
NOTICED_S = 1.0
"""A dead process is looked for twice a second."""
_GONE_WITHIN_S = 30.0


def run(loaded: bool = True) -> list[Line]:
    """Kill each process of one server in turn, and its owner in the end; then again with studies in flight."""
    study = stretched_ct(40, 200.0)
    lines = []
    for at_once in (0, AT_ONCE) if loaded else (0,):
        how = "loaded" if at_once else "idle"
        with Serving() as serving:
            seconds_until_it_answers(serving.address, study)
            for name in [each for each in serving.processes() if each not in (OWNER,)]:
                lines += _kill(serving, name, study, at_once, how)
        lines.append(_kill_owner(study, how))
    return lines


def _kill(serving: Serving, name: str, study: Study, at_once: int, how: str) -> list[Line]:
    with Load(serving.address, study, at_once, URGENT if at_once else 0) as load:
        if at_once:
            time.sleep(3)
        before = load.failed
        pid = serving.processes().get(name)
        if pid is None:
            return [Line("kills", f"{name}, {how}: was not there to be killed", 1, goal=0)]
        os.kill(pid, signal.SIGKILL)
        killed = time.monotonic()
        while psutil.pid_exists(pid) and time.monotonic() - killed < NOTICED_S:
            time.sleep(0.01)
        seconds_until_it_answers(serving.address, study)
        seconds = time.monotonic() - killed
        if not at_once:
            # An idle one may answer before it is noticed that a process is gone, if that one was not asked.
            time.sleep(NOTICED_S)
            seconds = max(seconds, seconds_until_it_answers(serving.address, study))
        lost = load.failed - before
    before_text = "never" if name not in (GUARD, OWNER) else ""
    found = [Line("kills", f"{name}, {how}: answers again", round(seconds, 1), MOST_S, "s", before_text)]
    if at_once:
        found.append(Line("kills", f"{name}, {how}: calls that failed meanwhile", lost, unit="calls"))
        found.append(Line("kills", f"{name}, {how}: longest wait of a caller", round(load.longest_s, 1), WAIT_S, "s"))
    return found


def _kill_owner(study: Study, how: str) -> Line:
    """Owner and guard together, so that nobody is left to clean up; the next start sweeps."""
    serving = Serving()
    guard = serving.processes()[GUARD]
    owner, started = serving.owner, serving.started
    for pid in (owner, guard):
        os.kill(pid, signal.SIGKILL)
    serving.wait(10)
    until = time.monotonic() + _GONE_WITHIN_S
    while any(not name.startswith("vcf-") for name in left_over(owner, started)) and time.monotonic() < until:
        time.sleep(0.1)
    with Serving():
        rest = left_over(owner, started)
    return Line(
        "kills",
        f"owner and guard, {how}: processes and files left after the next start",
        len(rest),
        goal=0,
        before="four processes, 500 MB, for 50 minutes",
    )
