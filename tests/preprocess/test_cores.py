# SPDX-License-Identifier: Apache-2.0
import os
import subprocess
import sys

import pytest

from vcf_preprocess import cores

PROGRAM = "from vcf_preprocess.cores import STUDY_THREADS, cores; print(cores(), STUDY_THREADS)"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system ties no process to cores")
def test_only_cores_that_the_process_may_use_count() -> None:
    """A container or `taskset` leaves a process fewer cores than the machine has."""
    one = min(os.sched_getaffinity(0))
    bound = f"import os; os.sched_setaffinity(0, {{{one}}})\n{PROGRAM}"
    assert subprocess.run([sys.executable, "-c", bound], capture_output=True, text=True, check=True).stdout == "1 1\n"


def test_all_cores_count_where_the_system_does_not_say(monkeypatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert cores.cores() == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cores.cores() == 1
