# SPDX-License-Identifier: Apache-2.0
"""Name spaces of network, mounts and processes in which the whole cluster lives, as one that runs in a container does.

Nothing of it is seen from outside: no port, no rule of iptables, no mount, no system setting. All of it ends with the
one process that holds the name spaces.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

NODE_ADDRESS = "10.201.0.1"
"""On the loopback device of the name space: a kubelet takes no address of 127.0.0.0/8."""
CGROUP = "vcf-kubernetes"
CGROUPS = Path("/sys/fs/cgroup")
KERNEL = {
    "vm/overcommit_memory": 1,
    "vm/panic_on_oom": 0,
    "kernel/panic": 10,
    "kernel/panic_on_oops": 1,
    "kernel/keys/root_maxkeys": 1000000,
    "kernel/keys/root_maxbytes": 25000000,
}
"""What a kubelet sets for the whole machine. It finds them set, and the machine keeps its own."""

PREPARE = """
set -e
mount --make-rshared /
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/log
mount -t tmpfs tmpfs /var/lib
mkdir /run/kernel
{settings}
ip link set lo up
ip address add {address}/32 dev lo
echo 1 > /proc/sys/net/ipv4/ip_forward
"""
HOLD = "trap : CHLD; while :; do sleep 3600 & wait; done"
"""The first process of the name space: what loses its parent becomes its child, and is reaped."""


@dataclass(frozen=True)
class Inside:
    """Name spaces that are there; ``holder`` is their first process, as seen from outside."""

    holder: int

    def command(self, *words: object) -> list[str]:
        """How to run a program inside."""
        enter = ["nsenter", "--target", str(self.holder), "--net", "--mount", "--pid", "--"]
        return [*enter, *(str(word) for word in words)]

    def run(self, *words: object, timeout_s: float = 120, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a program inside to its end."""
        environment = {**os.environ, **more}
        return subprocess.run(self.command(*words), env=environment, capture_output=True, text=True, timeout=timeout_s)


@contextlib.contextmanager
def created() -> Iterator[Inside]:
    """Make the name spaces; every process in them is killed in the end."""
    # Even where whoever runs the tests is killed, all of it ends.
    words = (
        "setpriv --pdeathsig KILL unshare --net --mount --pid --fork --kill-child --mount-proc --propagation private"
    )
    outer = subprocess.Popen([*words.split(), "bash", "-c", HOLD], start_new_session=True)
    holder = 0
    try:
        holder = _first_child(outer.pid)
        inside = Inside(holder)
        settings = "\n".join(
            f"echo {value} > /run/kernel/{name.replace('/', '.')}; "
            f"mount --bind /run/kernel/{name.replace('/', '.')} /proc/sys/{name}"
            for name, value in KERNEL.items()
        )
        done = inside.run("bash", "-c", PREPARE.format(settings=settings, address=NODE_ADDRESS))
        assert done.returncode == 0, done.stderr
        _cgroups()
        yield inside
    finally:
        # The outer one ends after its child, and this after all that lives in the name spaces.
        with contextlib.suppress(ProcessLookupError):
            os.kill(holder or outer.pid, signal.SIGKILL)
        outer.wait(60)
        _no_cgroups()


def _first_child(process: int) -> int:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        found = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        # Until it has its own /proc, it is still on the way.
        if found and Path(f"/proc/{found[0]}/cmdline").read_bytes().startswith(b"bash"):
            return int(found[0])
        time.sleep(0.05)
    raise AssertionError("the name spaces could not be made")


def _hierarchies() -> Sequence[Path]:
    """Where a cgroup of ours is: each controller's own tree of version 1, or the one of version 2."""
    if (CGROUPS / "cgroup.controllers").exists():
        return [CGROUPS]
    return [path for path in CGROUPS.iterdir() if path.is_dir() and not path.is_symlink()]


def _cgroups() -> None:
    for hierarchy in _hierarchies():
        folder = hierarchy / CGROUP
        folder.mkdir(exist_ok=True)
        for name in ("cpuset.cpus", "cpuset.mems"):
            if (hierarchy / name).exists():
                (folder / name).write_text((hierarchy / name).read_text())


def _no_cgroups() -> None:
    until = time.monotonic() + 30
    for hierarchy in _hierarchies():
        for folder in [*sorted((hierarchy / CGROUP).rglob("*/"), reverse=True), hierarchy / CGROUP]:
            while folder.is_dir() and time.monotonic() < until:
                try:
                    folder.rmdir()
                except OSError:
                    time.sleep(0.1)
