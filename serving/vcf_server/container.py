# SPDX-License-Identifier: Apache-2.0
"""Entry of the server's image: what has to happen before Triton starts, and when it is told to stop.

``python -m vcf_server.container [--on-stale-plan refuse|onnx] -- tritonserver …`` looks at the TensorRT plans if asked
to, removes the shared memory that a predecessor in the same container or pod could not remove, and runs the server. On
SIGTERM it first lets the studies under way come to their end, by ``deploy/drain.py``: Triton alone ends the step that
runs and refuses the next. It gives the server what the drain needs: explicit model control, under a key. While the
server runs, a Python model whose process has died is loaded anew.
"""

import argparse
import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from vcf_contract.contract import DEADLINE_TABLE
from vcf_contract.errors import SetupError
from vcf_server import repository
from vcf_server.admin import Admin
from vcf_server.guard import SHARED_MEMORY
from vcf_server.stale import CONTAINER_POLICIES, settle
from vcf_server.tables import deadline_table
from vcf_server.watch import ModelWatch

DRAIN = Path("/opt/vcf/drain.py")
ADMIN_KEY_VARIABLE = "VCF_ADMIN_KEY"
DRAIN_S = 120.0
"""How long studies under way may take once the server is told to stop."""
POLL_S = 0.5
_HERE = "127.0.0.1"


def shared_memory_prefix(host: str | None = None) -> str:
    """Tell how the names of this server's shared memory begin.

    A container or pod keeps its host name when its process is started anew, and no other has it; so what bears the name
    was left by a predecessor, even where several containers share one ``/dev/shm``.
    """
    return f"vcf-{host or socket.gethostname()}-"


def remove_left_behind(prefix: str, folder: Path = SHARED_MEMORY) -> int:
    """Remove a predecessor's shared memory; how many bytes that gave back.

    Triton and its Python processes remove their regions when they end, unless they are killed. A pod's ``/dev/shm``
    outlives its containers, so after a few kills there would be no room for a server to start in.
    """
    freed = 0
    for path in folder.glob(f"{prefix}*"):
        with contextlib.suppress(OSError):
            size = path.stat().st_blocks * 512
            path.unlink()
            freed += size
    return freed


def server_command(command: Sequence[str], prefix: str, admin: Admin) -> list[str]:
    """Triton's command line with the name of its shared memory and with what the drain needs."""
    return [*command, f"--backend-config=python,shm-region-prefix-name={prefix}", *admin.options()]


class Care:
    """Waits until the container's server is ready, and looks after its models from then on."""

    def __init__(self, admin: Admin, port: int, prefix: str) -> None:
        self.shm_prefix = prefix
        self._admin, self._port = admin, port
        self._watch: ModelWatch | None = None

    def look(self) -> None:
        """To be called about twice a second; SetupError if a model does not come back."""
        if self._watch:
            self._watch.look()
            return
        with contextlib.suppress(SetupError):  # it does not listen yet
            if self._admin.all_ready(_HERE, self._port):
                self._watch = ModelWatch(self, say)

    def is_loaded(self, model: str) -> bool:
        """Tell whether Triton has a model; SetupError if it does not answer."""
        return self._admin.is_loaded(_HERE, self._port, model)

    def reload(self, model: str) -> None:
        """Load a model anew, one of whose processes has died; SetupError where that fails."""
        self._admin.reload(_HERE, self._port, model, self.shm_prefix)


def run(command: Sequence[str], drain: Sequence[str], environment: dict[str, str], care: Care) -> int:
    """Run a server until it ends, a model does not come back, or a signal asks for it.

    Returns
    -------
    int
        0 after a signal, 1 for want of a model, otherwise the server's own status.
    """
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    server = subprocess.Popen(command, env=environment)
    while server.poll() is None and not told.wait(POLL_S):
        try:
            care.look()
        except SetupError as error:  # the container is started anew, and with it all models
            say(str(error))
            server.kill()
            server.wait()
            return 1
    if server.poll() is None:
        drained = subprocess.run(drain, env=environment, capture_output=True, text=True)
        if drained.returncode:
            say(f"stopping without a full drain: {drained.stdout.strip() or drained.stderr.strip()}")
        server.terminate()
        server.wait()
        return 0
    return server.returncode if server.returncode >= 0 else 128 - server.returncode


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Leave with the exit code that ``vcf`` has for wrong usage."""
        self.exit(64, f"vcf: {message}\n")


def main(words: list[str]) -> int:
    """Entry of the module; see its text."""
    parser = _Parser(prog="python -m vcf_server.container", allow_abbrev=False)
    parser.add_argument("--models", type=Path, default=Path("/models"), help="model repository, default %(default)s")
    parser.add_argument("--on-stale-plan", choices=CONTAINER_POLICIES, help="look at TensorRT plans before the start")
    parser.add_argument(
        "--drain-s", type=float, default=DRAIN_S, metavar="S", help="wait for studies, default %(default)s"
    )
    parser.add_argument("--http-port", type=int, default=8000, metavar="N", help="of the server, default %(default)s")
    parser.add_argument("command", nargs="+", metavar="-- COMMAND", help="the server")
    args = parser.parse_args(words)
    command = list(args.command)
    if args.on_stale_plan:
        try:
            chosen = settle(args.models, repository.GPU, args.on_stale_plan, fallback="onnxruntime", log=say)
        except SetupError as error:
            say(str(error))
            return 1
        if chosen != repository.GPU:
            command.append(f"--model-config-name={chosen}")
    prefix = shared_memory_prefix()
    if freed := remove_left_behind(prefix):
        say(f"removed {freed / 2**20:.0f} MiB of shared memory of a server that was killed")
    key = os.environ.get(ADMIN_KEY_VARIABLE) or secrets.token_hex(16)
    environment = {
        **os.environ,
        ADMIN_KEY_VARIABLE: key,
        DEADLINE_TABLE: str(deadline_table(prefix)),
    }
    drain = [sys.executable, "-I", "-S", str(DRAIN), "--notice-s", "0", "--settle-s", "0"]
    drain += ["--limit-s", str(args.drain_s), "--models", str(args.models), "--port", str(args.http_port)]
    admin = Admin(shared_memory=False, key=key)
    care = Care(admin, args.http_port, prefix)
    return run(server_command(command, prefix, admin), drain, environment, care)


def say(sentence: str) -> None:
    """One line in the container's log."""
    print(f"vcf: {sentence}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
