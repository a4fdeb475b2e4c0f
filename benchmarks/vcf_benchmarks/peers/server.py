# SPDX-License-Identifier: Apache-2.0
"""Start a peer as its documentation says, send it studies, and stop all that it started."""

import http.client
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlencode

import numpy as np
import psutil

from vcf_benchmarks.peers.pipeline import MODELS, THREADS, WORKERS
from vcf_contract.contract import SLICE_LOCATION_MM, SPACING_MM, VOLUME
from vcf_contract.errors import SetupError
from vcf_preprocess.geometry import Volume
from vcf_server.ports import free_port

HOME = Path(__file__).resolve().parents[2]
"""The folder that this package is imported from."""
READY_TIMEOUT_S = 300.0
ANSWER_TIMEOUT_S = 600.0
STOP_TIMEOUT_S = 15.0
POLL_S = 0.1
KEEP_ALIVE_S = 2.0
"""A connection idle for longer is not used again: servers close it (uvicorn after 5 s), maybe as a study leaves."""
_BOUNDARY = "vcf-volume-4e0a1c"

QUIET = {
    # None of them may report its use.
    "BENTOML_DO_NOT_TRACK": "True",
    "RAY_USAGE_STATS_ENABLED": "0",
    "ORT_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
}


@dataclass(frozen=True)
class Peer:
    """One way to serve.

    name
        As in results.
    package
        Without it the peer is skipped.
    command
        What follows the interpreter, for a port.
    health
        Path that answers 200 when the server is up.
    form
        Whether the request is a multipart form; otherwise the volume is the body, and the rest is in the query.
    """

    name: str
    title: str
    package: str
    command: Callable[[int], list[str]]
    health: str
    form: bool

    @property
    def installed(self) -> bool:
        """Tell whether it can run here."""
        return find_spec(self.package) is not None


def _module(name: str) -> Callable[[int], list[str]]:
    return lambda port: ["-m", f"vcf_benchmarks.peers.{name}", "--port", str(port)]


def _bentoml(port: int) -> list[str]:
    service = "vcf_benchmarks.peers.with_bentoml:Analyser"
    return ["-m", "bentoml", "serve", service, "--host", "127.0.0.1", "--port", str(port), "--working-dir", str(HOME)]


PEERS = {
    peer.name: peer
    for peer in (
        Peer("fastapi", "FastAPI", "fastapi", _module("with_fastapi"), "/healthz", form=False),
        Peer("bentoml", "BentoML", "bentoml", _bentoml, "/readyz", form=True),
        Peer("litserve", "LitServe", "litserve", _module("with_litserve"), "/health", form=True),
        Peer("ray_serve", "Ray Serve", "ray", _module("with_ray_serve"), "/-/healthz", form=False),
    )
}


class PeerServer:
    """A peer that is ready inside the ``with`` block and gone after it, with every process that it started.

    Parameters
    ----------
    workers, threads
        Worker processes, and threads of a network in each. By default a worker a core with one thread: at saturation
        no core waits for another, and it is what the documentation of all four comes to on a CPU.

    Raises
    ------
    SetupError
        If it does not come up; the end of its log is in the text.
    """

    def __init__(self, peer: Peer, models: Path, *, workers: int | None = None, threads: int = 1) -> None:
        self.peer, self.models = peer, models.resolve()
        self.workers = workers or len(os.sched_getaffinity(0))
        self.threads = threads
        self.port = 0
        self.startup_s = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        self._family: set[psutil.Process] = set()
        self._folder = tempfile.TemporaryDirectory(prefix=f"vcf-{peer.name}-", ignore_cleanup_errors=True)

    @property
    def pid(self) -> int:
        """The process above all of the server's."""
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> "PeerServer":
        self.port = free_port()
        started = time.monotonic()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, *self.peer.command(self.port)],
                cwd=self._folder.name,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            while not self._ready():
                self._follow()
                if self._process.poll() is not None or time.monotonic() - started > READY_TIMEOUT_S:
                    raise SetupError(f"{self.peer.title} did not come up: {self.last_words()}")
                time.sleep(POLL_S)
        except BaseException:
            self.stop()
            raise
        self.startup_s = time.monotonic() - started
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End it in order; what is left of its processes after that is killed, each by its id."""
        if self._process is not None:
            self._follow()
            self._process.terminate()
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            _, left = psutil.wait_procs(list(self._family), timeout=2)
            for process in left:
                process.kill()
            psutil.wait_procs(left, timeout=STOP_TIMEOUT_S)
            self._process = None
        self._folder.cleanup()

    def _follow(self) -> None:
        """Note the descendants: when the process above them ends by itself, nothing leads to them any more."""
        assert self._process is not None
        with suppress(psutil.NoSuchProcess):
            self._family |= set(psutil.Process(self._process.pid).children(recursive=True))

    def last_words(self) -> str:
        """End of the log."""
        return self._log.read_text("utf-8", "replace")[-2000:].strip() or "it wrote nothing"

    @property
    def _log(self) -> Path:
        return Path(self._folder.name) / "server.log"

    def _environment(self) -> dict[str, str]:
        threads = str(self.threads)
        return {
            **os.environ,
            **QUIET,
            MODELS: str(self.models),
            WORKERS: str(self.workers),
            THREADS: threads,
            "OMP_NUM_THREADS": threads,
            "OPENBLAS_NUM_THREADS": threads,
            "PYTHONPATH": os.pathsep.join(filter(None, (str(HOME), os.environ.get("PYTHONPATH")))),
            # Neither writes into the user's home: models and settings of the one, the access token of the other.
            "BENTOML_HOME": f"{self._folder.name}/bentoml",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            # Ray gives up sooner than we do, on machines that are slow to start it.
            "RAY_DASHBOARD_STARTUP_TIMEOUT_S": str(int(READY_TIMEOUT_S)),
            "RAY_raylet_start_wait_time_s": str(int(READY_TIMEOUT_S)),
        }

    def _ready(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", self.peer.health)
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


class Caller:
    """One client of a peer, with a connection that stays open. Not shared by threads."""

    def __init__(self, peer: Peer, port: int) -> None:
        self.peer = peer
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_TIMEOUT_S)
        self._used = time.monotonic()

    @property
    def stale(self) -> bool:
        """Tell whether the connection was idle for so long that the server may be closing it."""
        return time.monotonic() - self._used > KEEP_ALIVE_S

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def analyze(self, volume: Volume) -> dict[str, Any]:
        """Send a volume and read the answer.

        Raises
        ------
        RuntimeError
            If the server answers anything but 200.
        """
        # A view of the voxels unless they are flipped: nothing is copied on this side.
        voxels = np.ascontiguousarray(volume.hu, "<i2").reshape(-1).view(np.uint8).data
        fields = {
            "shape": list(volume.hu.shape),
            SPACING_MM.name: [float(mm) for mm in volume.spacing_mm],
            SLICE_LOCATION_MM.name: volume.slice_location_mm,
        }
        if self.peer.form:
            head, tail = _form(fields)
            parts: list[bytes | memoryview] = [head, voxels, tail]
            path, content_type = "/analyze", f"multipart/form-data; boundary={_BOUNDARY}"
        else:
            parts = [voxels]
            path, content_type = f"/analyze?{urlencode(fields, doseq=True)}", "application/octet-stream"
        headers = {"Content-Type": content_type, "Content-Length": str(sum(len(part) for part in parts))}
        self._connection.request("POST", path, iter(parts), headers)
        response = self._connection.getresponse()
        text = response.read()
        self._used = time.monotonic()
        if response.status != 200:
            raise RuntimeError(f"{self.peer.title} answered {response.status}: {text[:300]!r}")
        answer: dict[str, Any] = json.loads(text)
        return answer


def _form(fields: Mapping[str, Any]) -> tuple[bytes, bytes]:
    """Return what stands before and after the volume in a multipart form (RFC 7578)."""
    head = "".join(
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{json.dumps(value)}\r\n'
        for name, value in fields.items()
    )
    head += (
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{VOLUME.name}"; filename="{VOLUME.name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return head.encode(), f"\r\n--{_BOUNDARY}--\r\n".encode()
