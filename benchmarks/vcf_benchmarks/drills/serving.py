# SPDX-License-Identifier: Apache-2.0
"""``vcf serve`` as a user starts it, its processes, and a study that it is asked for again and again."""

import os
import re
import subprocess
import sys
import threading
import time
from contextlib import suppress
from types import TracebackType

import psutil

from vcf_benchmarks.harness.memory import server_processes
from vcf_client import VcfClient
from vcf_client.retry import NO_RETRY
from vcf_client.study import Study
from vcf_contract.contract import Priority
from vcf_contract.errors import VcfError
from vcf_server.guard import SHARED_MEMORY

STARTS_WITHIN_S = 300.0
GUARD, OWNER = "guard", "vcf serve"
_PORTS = ("--grpc-port=0", "--http-port=0", "--metrics-port=0")
_ADDRESSES = re.compile(r"gRPC (\S+:\d+), HTTP (\S+:\d+),")


class Serving:
    """A server that is ready inside the ``with`` block."""

    def __init__(self, *options: str) -> None:
        code = "import sys; from vcf_cli import main; sys.exit(main(sys.argv[1:]))"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code, "serve", *_PORTS, *options], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        found = _ADDRESSES.search(line)
        if found is None:
            self._process.kill()
            raise RuntimeError(f"vcf serve is not ready: {line}")
        self.address, self.http_address = found[1], found[2]
        self.started = time.time()

    @property
    def owner(self) -> int:
        """The process that was started."""
        return self._process.pid

    def processes(self) -> dict[str, int]:
        """All of it by name, those of Python models by their model."""
        found = server_processes(self.owner)
        for process in psutil.Process(self.owner).children(recursive=True):
            with suppress(psutil.Error):
                if any(word.endswith("guard.py") for word in process.cmdline()):
                    found[GUARD] = process.pid
        return {OWNER: self.owner, **found}

    def wait(self, limit_s: float) -> int | None:
        """Its exit code; None if it still runs."""
        try:
            return self._process.wait(limit_s)
        except subprocess.TimeoutExpired:
            return None

    def __enter__(self) -> "Serving":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        if self.wait(60) is None:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


def answers(address: str, study: Study, limit_s: float = 60.0) -> bool:
    """Tell whether a server analyses a study now, without another try."""
    try:
        with VcfClient(address, deadline_s=limit_s, retry=NO_RETRY) as client:
            client.analyze(study)
        return True
    except VcfError:
        return False


def seconds_until_it_answers(address: str, study: Study, limit_s: float = STARTS_WITHIN_S) -> float:
    """Tell how long a server takes until it analyses a study again; the limit if it does not."""
    started = time.monotonic()
    while time.monotonic() - started < limit_s:
        if answers(address, study, limit_s=10.0):
            return time.monotonic() - started
        time.sleep(0.05)
    return limit_s


class Load:
    """Threads that have a study analysed again and again while the ``with`` block runs, without second tries.

    longest_s
        The longest that one of them has waited for an answer or an error.
    """

    def __init__(self, address: str, study: Study, at_once: int, urgent: int = 0) -> None:
        self.answered = self.failed = 0
        self.longest_s = 0.0
        self._stop = threading.Event()
        self._lock = threading.Lock()
        priorities = [Priority.ROUTINE] * at_once + [Priority.URGENT] * urgent
        self._threads = [threading.Thread(target=self._run, args=(address, study, each)) for each in priorities]

    def _run(self, address: str, study: Study, priority: Priority) -> None:
        with VcfClient(address, deadline_s=60, retry=NO_RETRY, priority=priority) as client:
            while not self._stop.is_set():
                started = time.monotonic()
                try:
                    client.analyze(study)
                    good = True
                except VcfError:
                    good = False
                seconds = time.monotonic() - started
                with self._lock:
                    self.answered, self.failed = self.answered + good, self.failed + (not good)
                    self.longest_s = max(self.longest_s, seconds)
                if not good:
                    self._stop.wait(0.2)

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def left_over(owner: int, started: float) -> list[str]:
    """Files of a server's owner that are still there, and stubs of servers that began after a time with no server."""
    found = [path.name for path in SHARED_MEMORY.glob(f"vcf-{owner}-*")]
    for process in psutil.process_iter(["name", "ppid", "create_time", "cmdline"]):
        words = process.info["cmdline"] or []
        if f"vcf-{owner}-" in " ".join(words) and process.pid != os.getpid():
            found.append(str(process.info["name"]))
    return found
