# SPDX-License-Identifier: Apache-2.0
"""Tell where the models of a server keep what they share, and what the dead among them have left there."""

from pathlib import Path

from vcf_contract.contract import OWED_ANSWERS
from vcf_server import processes
from vcf_server.guard import SHARED_MEMORY


def deadline_table(shm_prefix: str, folder: Path = SHARED_MEMORY) -> Path:
    """Name the file that holds when each study's time is over; what else the models share bears its name."""
    return folder / f"{shm_prefix}deadlines"


def the_dead_owe_answers(shm_prefix: str, folder: Path = SHARED_MEMORY) -> bool:
    """Tell whether a process that has ended had put answers off: Triton and their callers wait for them."""
    marks = folder.glob(f"{deadline_table(shm_prefix).name}{OWED_ANSWERS}*")
    return any(not processes.runs(int(mark.name.rpartition("-")[2])) for mark in marks)
