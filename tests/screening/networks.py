# SPDX-License-Identifier: Apache-2.0
"""Two hosts with a cable between them, as network namespaces of this machine. What is meant for documentation only is
their addresses' range (RFC 5737); nothing leaves the machine."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

ADDRESSES = ("192.0.2.1", "192.0.2.2")


def can_be_made() -> str:
    """Say why no such hosts can be made here; empty if they can."""
    if os.geteuid():
        return "network namespaces need root"
    try:
        trial = f"vcf-trial-{os.getpid()}"
        subprocess.run(["ip", "netns", "add", trial], check=True, capture_output=True)
        subprocess.run(["ip", "netns", "delete", trial], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        return f"network namespaces cannot be made here: {error}"
    return ""


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"ip {' '.join(words)}: {done.stderr.strip()}")


class Host:
    """A network of its own, with loopback and one address, and a folder of its own in place of ``/tmp/ray``."""

    def __init__(self, number: int, folder: Path) -> None:
        self.name = f"vcf{os.getpid()}-{number}"
        self.address, self.cable = ADDRESSES[number], f"vcf{number}-{os.getpid() % 100_000}"
        self._rays = folder / f"ray{number}"
        self._started: list[subprocess.Popen[bytes]] = []

    def make(self) -> None:
        self._rays.mkdir(parents=True)
        Path("/tmp/ray").mkdir(exist_ok=True)
        _ip("netns", "add", self.name)

    def plug_in(self) -> None:
        for device in ("lo", self.cable):
            _ip("-n", self.name, "link", "set", device, "up")
        _ip("-n", self.name, "address", "add", f"{self.address}/24", "dev", self.cable)
        # Ray asks for the way to the world to find out its own address.
        _ip("-n", self.name, "route", "add", "default", "dev", self.cable)

    def cut_off(self) -> None:
        """Pull the cable: nothing says so to either side."""
        _ip("-n", self.name, "link", "set", self.cable, "down")

    def start(self, words: Sequence[object], log: Path) -> subprocess.Popen[bytes]:
        """Start a program there. Two nodes of Ray would write their addresses into one file of ``/tmp/ray``."""
        script = 'mount --bind "$0" /tmp/ray && exec "$@"'
        command = ["ip", "netns", "exec", self.name, "sh", "-c", script, self._rays, *words]
        environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "PYTHONUNBUFFERED": "1"}
        with log.open("ab") as out:
            process = subprocess.Popen([str(word) for word in command], stdout=out, stderr=out, env=environment)
        self._started.append(process)
        return process

    def remove(self) -> None:
        """End all that runs there, and the network with it."""
        for _ in range(20):
            found = subprocess.run(["ip", "netns", "pids", self.name], capture_output=True, text=True).stdout.split()
            for pid in found:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            if not found:
                break
            time.sleep(0.2)
        for process in self._started:
            process.wait()
        subprocess.run(["ip", "netns", "delete", self.name], capture_output=True)


class TwoHosts:
    """Use as a context; the hosts are in ``one`` and ``other``."""

    def __init__(self, folder: Path) -> None:
        self.one, self.other = Host(0, folder), Host(1, folder)

    def __enter__(self) -> "TwoHosts":
        try:
            self.one.make()
            self.other.make()
            ends = ("netns", self.one.name, "type", "veth", "peer", "name", self.other.cable, "netns", self.other.name)
            _ip("link", "add", self.one.cable, *ends)
            self.one.plug_in()
            self.other.plug_in()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.one.remove()
        self.other.remove()
