# SPDX-License-Identifier: Apache-2.0
"""Whose answers are owed by a process that has ended."""

import os
import subprocess
import sys
from pathlib import Path

from vcf_contract.contract import OWED_ANSWERS
from vcf_server.tables import deadline_table, the_dead_owe_answers

PREFIX = "vcf-1-a-"


def test_only_the_dead_of_this_server_owe_for_ever(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    table = deadline_table(PREFIX, tmp_path)
    table.touch()
    table.with_name(f"{table.name}{OWED_ANSWERS}{os.getpid()}").touch()
    other = deadline_table("vcf-1-b-", tmp_path)
    other.with_name(f"{other.name}{OWED_ANSWERS}{ended.pid}").touch()
    assert not the_dead_owe_answers(PREFIX, tmp_path)
    assert the_dead_owe_answers("vcf-1-b-", tmp_path)
    table.with_name(f"{table.name}{OWED_ANSWERS}{ended.pid}").touch()
    assert the_dead_owe_answers(PREFIX, tmp_path)
