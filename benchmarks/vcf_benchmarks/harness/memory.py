# SPDX-License-Identifier: Apache-2.0
"""Peak memory of groups of processes, sampled: their private memory, and shared memory once.

The kernel's own peaks (VmHWM) cannot be added: each holds whatever is shared, at a time of its own.
"""

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from vcf_server.guard import SHARED_MEMORY
from vcf_server.processes import STUB

EVERY_S = 0.005
PROPORTIONAL_EVERY_S = 1.0
"""Looking costs processor time itself: the kernel walks every page."""
SHARED = "shared memory"
"""The name of all files of the prefix in a sample."""


@dataclass
class Meter:
    """Memory of named processes while the ``with`` block runs.

    Parameters
    ----------
    processes
        Name to process id.
    shm_prefix
        Files of /dev/shm whose memory counts once; none if empty.

    Attributes
    ----------
    before_bytes
        By name, when the block began.
    peak_bytes
        Largest by name, each at its own time.
    peak_total_bytes
        Largest of all together at one time.
    """

    processes: dict[str, int]
    shm_prefix: str = ""
    every_s: float = EVERY_S
    before_bytes: dict[str, int] = field(default_factory=dict)
    peak_bytes: dict[str, int] = field(default_factory=dict)
    peak_total_bytes: int = 0

    def __enter__(self) -> "Meter":
        self.before_bytes = self._sample()
        self._note(self.before_bytes)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._note(self._sample())

    @property
    def before_total_bytes(self) -> int:
        """Memory of all together when the block began."""
        return sum(self.before_bytes.values())

    @property
    def growth_bytes(self) -> int:
        """Memory of all together at their peak, less what they had before."""
        return self.peak_total_bytes - self.before_total_bytes

    def _run(self) -> None:
        while not self._ended.wait(self.every_s):
            self._note(self._sample())

    def _note(self, sample: dict[str, int]) -> None:
        self.peak_total_bytes = max(self.peak_total_bytes, sum(sample.values()))
        for name, nbytes in sample.items():
            self.peak_bytes[name] = max(self.peak_bytes.get(name, 0), nbytes)

    def _sample(self) -> dict[str, int]:
        found = {name: private_bytes(pid) for name, pid in self.processes.items()}
        if self.shm_prefix:
            found[SHARED] = shared_bytes(SHARED_MEMORY.glob(f"{self.shm_prefix}*"))
        return found


def private_bytes(pid: int) -> int:
    """Return the anonymous memory of a process in RAM (``RssAnon``, proc(5)); 0 for one that has ended."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    return 0


def shared_bytes(files: Iterable[Path]) -> int:
    """Return the RAM that files of a memory file system hold, whoever maps them."""
    total = 0
    for file in files:
        with suppress(FileNotFoundError):
            total += file.stat().st_blocks * 512
    return total


def server_processes(pid: int) -> dict[str, int]:
    """Find Triton and its Python stubs below a process: ``tritonserver``, and each stub by its model and number."""
    found: dict[str, int] = {}
    for process in psutil.Process(pid).children(recursive=True):
        try:
            name = _name(process.cmdline())
        except psutil.Error:
            continue
        if name:
            same = sum(other.partition(" ")[0] == name for other in found)
            found[f"{name} {same + 1}" if same else name] = process.pid
    return found


def _name(command: list[str]) -> str | None:
    if not command:
        return None
    program = Path(command[0]).name
    if program == STUB:
        # .../<model>/<version>/<file>
        return Path(command[1]).parent.parent.name
    return program if program == "tritonserver" else None


@dataclass
class Peak:
    """The largest amount of memory seen so far."""

    nbytes: float = 0.0


@contextmanager
def proportional_peak(processes: Sequence[psutil.Process]) -> Iterator[Peak]:
    """Sample the proportional set sizes of these processes and all below them: shared pages count once."""
    found, stop = Peak(), threading.Event()

    def sample() -> None:
        while not stop.is_set():
            found.nbytes = max(found.nbytes, sum(map(_family_bytes, processes)))
            stop.wait(PROPORTIONAL_EVERY_S)

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join()


def _family_bytes(process: psutil.Process) -> float:
    total = 0.0
    with suppress(psutil.Error):  # it has just ended
        for each in (process, *process.children(recursive=True)):
            with suppress(psutil.Error):
                total += each.memory_full_info().pss
    return total
