# SPDX-License-Identifier: Apache-2.0
"""A Docker engine of our own: started by hand, with its own data, socket and process id, and gone afterwards."""

import contextlib
import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("dockerd", "docker", "docker-compose", "debootstrap", "iptables")


class Unavailable(Exception):
    """Why this machine cannot run the engine, in a sentence."""


@dataclass(frozen=True)
class Engine:
    """A running engine. Commands see it by ``environment``."""

    socket: Path

    @property
    def environment(self) -> dict[str, str]:
        """Of the machine, with this engine; builds by the classic builder, which needs no plug-in."""
        return {**os.environ, "DOCKER_HOST": f"unix://{self.socket}", "DOCKER_BUILDKIT": "0"}

    def docker(self, *words: str, timeout_s: float = 600, check: bool = True, **more: str) -> str:
        """Run ``docker``; what it printed, both streams, in order."""
        done = subprocess.run(
            ["docker", *words],
            env={**self.environment, **more},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_s,
        )
        assert not check or done.returncode == 0, f"docker {' '.join(words)}\n{done.stdout[-4000:]}"
        return done.stdout

    def status(self, *words: str, timeout_s: float = 600) -> tuple[int, str]:
        """Run ``docker``; its exit status and what it printed."""
        done = subprocess.run(
            ["docker", *words], env=self.environment, capture_output=True, text=True, timeout=timeout_s
        )
        return done.returncode, done.stdout + done.stderr


def why_not() -> str:
    """What keeps the engine from running here, or nothing."""
    if os.geteuid() != 0:
        return "a Docker engine is started by root alone"
    if missing := [name for name in PROGRAMS if not shutil.which(name)]:
        return f"not installed: {', '.join(missing)} (.ci/debian-packages.txt)"
    return ""


@contextlib.contextmanager
def running(home: Path) -> Iterator[Engine]:
    """An engine with its data in ``home``, for one caller at a time.

    Raises
    ------
    Unavailable
        If another run has the folder, or the engine does not start: the last lines of its log.
    """
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock, (home / "dockerd.log").open("wb") as log:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Unavailable(f"another run uses {home}") from None
        socket = home / "d.sock"
        daemon = subprocess.Popen(
            [
                *("dockerd", "--data-root", home / "data", "--exec-root", home / "exec", "--pidfile", home / "pid"),
                *("--host", f"unix://{socket}", "--bridge", "none", "--shutdown-timeout", "5", "--log-level", "warn"),
            ],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            engine = Engine(socket)
            _wait(engine, daemon, home / "dockerd.log")
            yield engine
        finally:
            with contextlib.suppress(Exception):
                _clean(Engine(socket))
            daemon.terminate()
            try:
                daemon.wait(60)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
            # The engine leaves the name space of its host's network mounted.
            for left in (home / "exec" / "netns").glob("*"):
                subprocess.run(["umount", left], capture_output=True)


def _wait(engine: Engine, daemon: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + 60
    while engine.status("version")[0]:
        if daemon.poll() is not None or time.monotonic() > until:
            raise Unavailable("dockerd did not start: " + " ".join(log.read_text().splitlines()[-3:]))
        time.sleep(0.3)


def _clean(engine: Engine) -> None:
    """Containers and networks go; images stay for the next run."""
    if found := engine.docker("ps", "--all", "--quiet").split():
        engine.docker("rm", "--force", "--volumes", *found)
    engine.docker("network", "prune", "--force")
    engine.docker("volume", "prune", "--force")
