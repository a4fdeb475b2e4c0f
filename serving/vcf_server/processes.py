# SPDX-License-Identifier: Apache-2.0
"""The processes of a server, as Linux shows them under /proc: a stub of Triton's for each Python model's instance."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

STUB = "triton_python_backend_stub"
_PROC = Path("/proc")


def stubs(shm_prefix: str) -> dict[int, str]:
    """Model of each stub that runs, by process id. A stub is known by the prefix of its shared memory."""
    return {pid: Path(words[1]).parents[1].name for pid, words in _stubs() if words[2].startswith(shm_prefix)}


def runs(pid: int) -> bool:
    """Tell whether a process is there and no zombie, which a killed one stays until its parent asks for it."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (OSError, IndexError):
        return False


def parent(pid: int) -> int:
    """The parent of a process; 0 if it is gone."""
    try:
        return int((_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return 0


def open_child(pid: int) -> int | None:
    """Open the only child of a process: a descriptor, readable once it has ended; None if it has no child."""
    for folder in _PROC.glob("[0-9]*"):
        if parent(int(folder.name)) == pid:
            with suppress(ProcessLookupError):
                return os.pidfd_open(int(folder.name))
    return None


def kill_stubs(shm_prefix: str, model: str | None = None) -> None:
    """End the stubs of a server, all or those of one model."""
    for pid, its in stubs(shm_prefix).items():
        if model in (None, its):
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)


def _stubs() -> Iterator[tuple[int, list[str]]]:
    for folder in _PROC.glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if Path(words[0]).name == STUB and len(words) > 2 and runs(int(folder.name)):
            yield int(folder.name), words
