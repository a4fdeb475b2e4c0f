# SPDX-License-Identifier: Apache-2.0
"""Read an input in a process of its own, and say what came of it and what it cost: processor time, peak memory."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HANGS_AFTER_S = 300.0
"""On a machine that is busy with other work."""
STUDY, TRACEBACK, HANG = "a study", "a traceback", "no end"


@dataclass(frozen=True)
class Cost:
    """Tell what came of it: a refusal's code, or one of the words above."""

    outcome: str
    cpu_s: float
    peak_bytes: int


def read_apart(path: Path) -> Cost:
    """Read what lies at a path as a study."""
    child = subprocess.Popen([sys.executable, "-m", __name__, str(path)], stdout=subprocess.PIPE)
    watch = threading.Timer(HANGS_AFTER_S, child.send_signal, [signal.SIGKILL])
    watch.start()
    try:
        assert child.stdout is not None
        said = child.stdout.read().decode().strip()
        _, status, usage = os.wait4(child.pid, 0)
    finally:
        watch.cancel()
    child.returncode = os.waitstatus_to_exitcode(status)
    child.stdout.close()
    cpu_s = usage.ru_utime + usage.ru_stime
    if not said:
        return Cost(HANG if child.returncode == -signal.SIGKILL else TRACEBACK, cpu_s, usage.ru_maxrss << 10)
    found = json.loads(said)
    return Cost(found["outcome"], cpu_s, found["peak_bytes"])


def main(words: Sequence[str]) -> None:
    """Entry of the process."""
    from vcf_client.reader import read_study  # noqa: PLC0415 - what the import takes is part of every cost alike
    from vcf_contract.errors import StudyRefused  # noqa: PLC0415

    try:
        read_study(words[0])
        outcome = STUDY
    except StudyRefused as refused:
        outcome = str(refused.code)
    status = Path("/proc/self/status").read_text()
    peak_bytes = int(status.partition("VmHWM:")[2].split()[0]) << 10  # that of this program alone
    print(json.dumps({"outcome": outcome, "peak_bytes": peak_bytes}))


if __name__ == "__main__":
    main(sys.argv[1:])
