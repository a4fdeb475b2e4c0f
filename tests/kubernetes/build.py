# SPDX-License-Identifier: Apache-2.0
"""The programs of a node: Kubernetes, etcd and CoreDNS are built from pinned Go modules; the rest is Debian's."""

import os
import shutil
import subprocess
from pathlib import Path

MODULES = Path(__file__).parent / "cluster"
KUBERNETES = ("kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubectl", "kubelet")
OTHERS = ("etcd", "coredns", "pause")
POLICIES = "kube-network-policies"
"""Kubernetes' own reference implementation of NetworkPolicies."""
FROM_DEBIAN = ("containerd", "ctr", "runc", "iptables", "conntrack", "ip", "setpriv", "unshare", "nsenter", "mount")
PLUGINS = Path("/usr/lib/cni")
PACKAGES = "containerd runc containernetworking-plugins iptables conntrack iproute2"


def why_not() -> str:
    """What keeps a cluster from running here, or nothing."""
    if os.geteuid() != 0:
        return "a cluster is started by root alone"
    if missing := [name for name in FROM_DEBIAN if not shutil.which(name)]:
        return f"not installed: {', '.join(missing)} (Debian: {PACKAGES})"
    if not (PLUGINS / "ptp").exists():
        return "not installed: CNI plug-ins (Debian: containernetworking-plugins)"
    if not shutil.which("go"):
        return "Go is not installed, and Kubernetes is built from its modules"
    for controller in ("cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "pids"):
        if not Path("/sys/fs/cgroup", controller).is_dir() and not Path("/sys/fs/cgroup/cgroup.controllers").exists():
            return f"no cgroup controller {controller}"
    return ""


def version(module: str, name: str) -> str:
    """Of a Go module, as the repository pins it."""
    lines = (MODULES / module / "go.mod").read_text().splitlines()
    (found,) = {words[-1] for line in lines if name in (words := line.replace("require ", "").split())[:1]}
    return found


def programs(home: Path) -> Path:
    """Folder with all of them, built unless it has them for these versions: 15 minutes of two cores, once."""
    folder = home / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    of_kubernetes = version("kubernetes", "k8s.io/kubernetes")
    packages = [f"k8s.io/kubernetes/cmd/{name}" for name in KUBERNETES]
    stamp = f"-X k8s.io/component-base/version.gitVersion={of_kubernetes}"
    _build("kubernetes", folder, KUBERNETES, packages, stamp)
    for name in OTHERS:
        _build(name, folder, (name,), ["."])
    _build("policies", folder, (POLICIES,), [f"sigs.k8s.io/{POLICIES}/cmd"])
    return folder


def _build(module: str, folder: Path, names: tuple[str, ...], packages: list[str], stamp: str = "") -> None:
    done = folder / f".{module}"
    pinned = "".join(path.read_text() for path in sorted((MODULES / module).iterdir()))
    if done.exists() and done.read_text() == pinned and all((folder / name).exists() for name in names):
        return
    target = f"{folder}/" if len(names) > 1 else folder / names[0]
    command = ["nice", "-n", "10", "go", "build", "-trimpath", "-ldflags", f"-s -w {stamp}", "-o", target, *packages]
    built = subprocess.run(
        command,
        cwd=MODULES / module,
        env={**os.environ, "CGO_ENABLED": "0"},
        capture_output=True,
        text=True,
        timeout=3600,
    )
    assert built.returncode == 0, built.stderr[-4000:]
    done.write_text(pinned)
