# SPDX-License-Identifier: Apache-2.0
"""Run the real Triton server of the ``nvidia-pytriton`` wheel: no GPU, no container."""

import http.client
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from vcf_client import memory
from vcf_contract.contract import DEADLINE_TABLE
from vcf_contract.errors import SetupError
from vcf_server import guard, leftovers, passport, ports, processes, repository, tables, wheel
from vcf_server.admin import Admin
from vcf_server.assets import BACKENDS
from vcf_server.backend_directory import assemble, link_packages
from vcf_server.log import ServerLog
from vcf_server.waiting import wait_for_end

EXIT_TIMEOUT_S = 5
"""How long Triton waits for requests in flight, and at most for idle HTTP connections, once it is told to stop."""
KILL_AFTER_S = 8.0
"""When a server is killed that was told to stop and did not."""
POLL_S = 0.05

Progress = Callable[[int, int], None]
"""A callback that gets the number of loaded models and of all models, whenever the first changes."""


def otlp_arguments(url: str) -> list[str]:
    """Options of ``tritonserver``: every study's trace to a collector, by OTLP over HTTP."""
    settings = ("mode=opentelemetry", f"opentelemetry,url={url}", "opentelemetry,resource=service.name=vcf-triton")
    return [f"--trace-config={setting}" for setting in (*settings, "level=TIMESTAMPS", "rate=1")]


class TritonServer:
    """A server that is ready inside the ``with`` block and gone, with all it made, after it.

    Parameters
    ----------
    models
        The model repository.
    config_name
        Which configuration of each model: ``configs/<config_name>.pbtxt``.
    host
        Address to listen on. Triton has no authentication of its own: loopback unless something in front has.
    grpc_port, http_port, metrics_port
        0 takes a free one.
    log_file
        Appended to. Without one the log is kept, while the server runs, in its private folder.
    extra_args
        Passed to ``tritonserver`` as they are; paths must be absolute, and all three services stay on.
    ready_timeout_s
        How long loading and warming up may take.
    backends
        Folder of Python-based backends.
    shared_memory
        Whether anybody may register shared memory, which the transport ``shm`` needs. Traces and the log are for the
        owner alone.
    model_control
        Whether anybody may list, load and unload models, as NVIDIA's Model Analyzer does.
    admin_key
        The owner's key, in the header ``vcf-admin``; a new one at every start unless it is given.

    Raises
    ------
    SetupError
        From `start`, in one sentence: what is missing, taken or broken.
    """

    def __init__(
        self,
        models: Path,
        *,
        config_name: str = "cpu",
        host: str = "127.0.0.1",
        grpc_port: int = 0,
        http_port: int = 0,
        metrics_port: int = 0,
        log_file: Path | None = None,
        extra_args: Sequence[str] = (),
        ready_timeout_s: float = 180.0,
        on_progress: Progress | None = None,
        backends: Path = BACKENDS,
        shared_memory: bool = True,
        model_control: bool = False,
        admin_key: str | None = None,
    ) -> None:
        self.models = models.resolve()
        self.config_name = config_name
        self.host = host
        self.grpc_port, self.http_port, self.metrics_port = grpc_port, http_port, metrics_port
        self.log_file = log_file
        self.extra_args = tuple(extra_args)
        self.ready_timeout_s = ready_timeout_s
        self.on_progress = on_progress
        self.backends = backends
        self.startup_s = 0.0
        """Time from the start of the process to readiness, models warmed up."""
        self._admin = Admin(shared_memory=shared_memory, models=model_control, key=admin_key)
        self._belongings: leftovers.Belongings | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._triton: int | None = None
        self._log: ServerLog | None = None

    @property
    def grpc_url(self) -> str:
        """``host:port`` as gRPC clients take it."""
        return f"{self._reachable_host}:{self.grpc_port}"

    @property
    def http_url(self) -> str:
        """``host:port`` as ``tritonclient.http`` takes it."""
        return f"{self._reachable_host}:{self.http_port}"

    @property
    def metrics_url(self) -> str:
        """Tell what Prometheus scrapes."""
        return f"http://{self._reachable_host}:{self.metrics_port}/metrics"

    @property
    def shm_prefix(self) -> str:
        """Tell how the names of its shared memory begin, and by which its processes are known."""
        if self._belongings is None:
            raise RuntimeError("the server was not started")
        return self._belongings.shm_prefix

    @property
    def _reachable_host(self) -> str:
        return "127.0.0.1" if self.host == "0.0.0.0" else self.host

    def start(self) -> "TritonServer":
        """Start and wait until every model is loaded and warmed up."""
        if self._guard is not None:
            raise RuntimeError("this TritonServer was started already; make a new one")
        found = wheel.find()
        python_based = {model.parent.name for model in self.backends.glob("*/model.py")}
        names = repository.check(self.models, self.config_name, {*wheel.BACKENDS, *python_based})
        passport.check(self.models, repository.network_files(self.models, self.config_name))
        leftovers.sweep()
        self._belongings = self._open_belongings()
        folder, shm_prefix = self._belongings.folder, self._belongings.shm_prefix
        with ExitStack() as undo:
            undo.callback(self._belongings.remove)
            assemble(found, self.backends, folder / "backends")
            link_packages(folder)
            log_file = self.log_file or folder / "server.log"
            self._log = self._open_log(log_file)
            self._take_ports()
            with log_file.open("ab") as log:
                self._guard = subprocess.Popen(
                    self._command(found, folder, shm_prefix),
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    env=self._environment(found, shm_prefix),
                    pass_fds=(self._belongings.lock,),  # so that it lasts as long as the guard does
                    cwd=folder,  # where the stubs look for packages first
                    start_new_session=True,  # Ctrl-C in a terminal is for the owner, which stops the server in order
                )
            undo.pop_all()  # from here on the guard cleans up
        try:
            self._wait_ready(names)
            self._triton = processes.open_child(self._guard.pid)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Let requests in flight end, stop, and remove everything. Safe to call twice; `start` is possible then."""
        if self._guard is None:
            return
        if self._guard.stdin and not self._guard.stdin.closed:
            self._guard.stdin.close()
        try:
            self._guard.wait(KILL_AFTER_S + 20)
        except subprocess.TimeoutExpired:
            self._guard.kill()
            self._guard.wait()
        self._guard = None
        if self._triton is not None:
            # With its guard killed, Triton is killed, too, but gives back its memory first and its ports after it.
            select.select([self._triton], [], [], KILL_AFTER_S)
            os.close(self._triton)
            self._triton = None
        if self._belongings:
            self._belongings.remove()  # what is left if the guard was killed
            self._belongings = None
        if self._log:
            self._log.close()
            self._log = None

    def wait(self, timeout_s: float | None = None) -> int:
        """Wait for the server to end by itself; its exit status.

        Raises
        ------
        subprocess.TimeoutExpired
            If it still runs.
        """
        if self._guard is None:
            raise RuntimeError("the server was not started")
        return wait_for_end(self._guard, timeout_s)

    def is_loaded(self, model: str) -> bool:
        """Tell whether Triton has a model; SetupError if it does not answer."""
        return self._admin.is_loaded(self._reachable_host, self.http_port, model)

    def reload(self, model: str) -> None:
        """Load a model anew, one of whose processes has died; SetupError where that fails."""
        self._admin.reload(self._reachable_host, self.http_port, model, self.shm_prefix)

    def kill(self) -> None:
        """End it at once; `wait` notices."""
        if self._guard is not None:
            self._guard.kill()

    def last_words(self) -> str:
        """Why a server that ended by itself did so."""
        if self._log is None:
            return "it was stopped"
        self._log.update()
        return self._log.reason()

    def __enter__(self) -> "TritonServer":
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _command(self, found: wheel.Wheel, folder: Path, shm_prefix: str) -> list[str]:
        triton = [
            str(found.server),
            f"--model-repository={self.models}",
            f"--backend-directory={folder / 'backends'}",
            f"--grpc-address={self.host}",
            f"--grpc-port={self.grpc_port}",
            f"--http-address={self.host}",
            f"--http-port={self.http_port}",
            f"--metrics-port={self.metrics_port}",
            f"--exit-timeout-secs={EXIT_TIMEOUT_S}",
            f"--backend-config=python,shm-region-prefix-name={shm_prefix}",
            # The configurations are complete; completing them would start every stub a second time.
            "--disable-auto-complete-config",
            # No GPU here: no pinned memory, no search for one.
            "--pinned-memory-pool-byte-size=0",
            "--allow-gpu-metrics=false",
            # A request is a whole volume: kept for reuse, as by default, eight of them would stay in memory.
            "--grpc-infer-allocation-pool-size=0",
            "--allow-sagemaker=false",
            "--allow-vertex-ai=false",
            *self._admin.options(),
        ]
        if self.config_name != repository.GPU:
            triton.append(f"--model-config-name={self.config_name}")
        interpreter = [sys.executable, "-I", "-S", guard.__file__]
        return [*interpreter, str(KILL_AFTER_S), shm_prefix, str(folder), *triton, *self.extra_args]

    def _environment(self, found: wheel.Wheel, shm_prefix: str) -> dict[str, str]:
        return {
            # Python models run in parallel and divide their work themselves: one thread for each of NumPy's products.
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            **memory.ENVIRONMENT,
            **os.environ,
            **found.environment(),
            # Where its other shared memory is, so that it goes with it.
            DEADLINE_TABLE: str(tables.deadline_table(shm_prefix)),
        }

    def _open_belongings(self) -> leftovers.Belongings:
        try:
            return leftovers.Belongings()
        except OSError as error:
            raise SetupError(
                f"no room for the server's shared memory in {guard.SHARED_MEMORY} or for its folder: {error.strerror}"
            ) from None

    def _open_log(self, path: Path) -> ServerLog:
        try:
            return ServerLog(path)
        except OSError as error:
            raise SetupError(f"the log file {path} cannot be written: {error.strerror}") from None

    def _take_ports(self) -> None:
        """Choose free ports where 0 was asked, and see that the others are free."""
        if ":" in self.host:
            raise SetupError(
                f"the Triton server takes no IPv6 address, found {self.host}: give an IPv4 address or a host name, "
                "127.0.0.1 for this machine alone"
            )
        with ExitStack() as held:
            for service in ("grpc", "http", "metrics"):
                port = getattr(self, f"{service}_port")
                try:
                    listener = held.enter_context(ports.listener(self.host, port))
                except (OSError, OverflowError) as error:
                    why = getattr(error, "strerror", None) or str(error)
                    raise SetupError(
                        f"cannot listen on {self.host}:{port} for {service}: {why}; choose another --{service}-port"
                    ) from None
                setattr(self, f"{service}_port", listener.getsockname()[1])

    def _wait_ready(self, names: list[str]) -> None:
        assert self._guard is not None and self._log is not None
        started = time.monotonic()
        reported = -1
        while not self._ready():
            ended = self._guard.poll() is not None
            self._log.update()
            if self._log.failure or ended:
                raise SetupError(f"the Triton server did not start: {self._log.reason()}")
            if self.on_progress and len(self._log.loaded) != reported:
                reported = len(self._log.loaded)
                self.on_progress(reported, len(names))
            if time.monotonic() - started > self.ready_timeout_s:
                missing = ", ".join(sorted(set(names) - self._log.loaded)) or "no model"
                raise SetupError(
                    f"the Triton server was not ready within {self.ready_timeout_s:g} s; still loading: {missing}"
                )
            time.sleep(POLL_S)
        self.startup_s = time.monotonic() - started
        if self.on_progress:
            self.on_progress(len(names), len(names))

    def _ready(self) -> bool:
        """HTTP says ready, and the other services listen: Triton starts gRPC before and metrics after it."""
        connection = http.client.HTTPConnection(self._reachable_host, self.http_port, timeout=5)
        try:
            connection.request("GET", "/v2/health/ready")
            if connection.getresponse().status != 200:
                return False
            for port in (self.grpc_port, self.metrics_port):
                socket.create_connection((self._reachable_host, port), timeout=5).close()
            return True
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
