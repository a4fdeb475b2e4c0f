# SPDX-License-Identifier: Apache-2.0
"""A cluster of one node: etcd, the control plane, containerd, kubelet and kube-proxy, each a process with a log."""

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.kubernetes import namespaces, settings
from tests.kubernetes.certificates import Authority
from tests.kubernetes.namespaces import NODE_ADDRESS, Inside

PORT = 6443
SERVER = f"https://{NODE_ADDRESS}:{PORT}"


class Unavailable(Exception):
    """Why this machine cannot run the cluster, in a sentence."""


@dataclass
class Cluster:
    """A running cluster, with its files in ``home``."""

    inside: Inside
    programs: Path
    home: Path
    authority: Authority
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    @property
    def kubeconfig(self) -> Path:
        """Of one who may do everything."""
        return self.home / "pki" / "admin.kubeconfig"

    def kubectl(self, *words: object, check: bool = True, timeout_s: float = 120, stdin: str | None = None) -> str:
        """Run kubectl; what it printed on standard output, or on both streams where it may fail."""
        done = subprocess.run(
            self.inside.command(self.programs / "kubectl", "--kubeconfig", self.kubeconfig, *words),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )
        assert not check or done.returncode == 0, f"kubectl {' '.join(map(str, words))}: {done.stderr[-3000:]}"
        return done.stdout if check else done.stdout + done.stderr

    def get(self, *words: object) -> Any:
        """Objects, as ``kubectl get`` gives them in JSON."""
        return json.loads(self.kubectl("get", *words, "--output", "json"))

    def apply(self, *documents: dict[str, Any]) -> None:
        """Create or change objects."""
        self.kubectl("apply", "--filename", "-", stdin="\n".join(f"---\n{json.dumps(each)}" for each in documents))

    def load_image(self, archive: Path) -> None:
        """Give containerd the images of an archive that ``docker save`` wrote."""
        words = ("ctr", "--address", "/run/containerd/containerd.sock", "--namespace", "k8s.io", "images", "import")
        done = self.inside.run(*words, archive, timeout_s=600)
        assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-1000:]

    def start(self, name: str, *options: object, **more: str) -> None:
        """Start a program of the node."""
        program = shutil.which(name) if name == "containerd" else self.programs / name
        with (self.home / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                self.inside.command(program, *options),
                env={**os.environ, **more},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait(self, what: str, ready: Callable[[], bool], limit_s: float = 180) -> None:
        """Wait for a state; a program that has ended meanwhile ends the wait."""
        until = time.monotonic() + limit_s
        while not ready():
            ended = [name for name, process in self.processes.items() if process.poll() is not None]
            if ended or time.monotonic() > until:
                logs = [f"{name}: {self.log(name)}" for name in ended]
                raise Unavailable(f"{what} is not there after {limit_s:g} s {'; '.join(logs)}")
            time.sleep(0.5)

    def log(self, name: str, lines: int = 5) -> str:
        """The last lines of a program's log."""
        return "\n".join((self.home / f"{name}.log").read_text(errors="replace").splitlines()[-lines:])


@contextlib.contextmanager
def running(home: Path, programs: Path) -> Iterator[Cluster]:
    """A new cluster, for one caller at a time.

    Raises
    ------
    Unavailable
        If another run has the folder, or a program does not start: the last lines of its log.
    """
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Unavailable(f"another run uses {home}") from None
        data = home / "data"
        shutil.rmtree(data, ignore_errors=True)
        data.mkdir()
        with namespaces.created() as inside:
            cluster = Cluster(inside, programs, data, Authority.create(data / "pki", SERVER))
            try:
                _control_plane(cluster)
                _node(cluster)
                yield cluster
            finally:
                for process in cluster.processes.values():
                    with contextlib.suppress(ProcessLookupError):
                        process.terminate()
        for process in cluster.processes.values():
            process.wait(30)
        if not os.environ.get("VCF_KUBERNETES_KEEP"):
            # Logs stay; containers, their layers and etcd's data go.
            for name in ("containerd", "kubelet", "etcd", "pki"):
                shutil.rmtree(data / name, ignore_errors=True)


def _control_plane(cluster: Cluster) -> None:
    pki, home, authority = cluster.home / "pki", cluster.home, cluster.authority
    names = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", f"kubernetes.default.svc.{settings.DOMAIN}")
    authority.issue("apiserver", "kube-apiserver", hosts=(*names, NODE_ADDRESS, "127.0.0.1", settings.API_ADDRESS))
    authority.issue("to-kubelet", "kube-apiserver-kubelet-client", "system:masters")
    authority.issue("service-accounts", "service-accounts")
    authority.issue("kubelet", f"system:node:{settings.NODE}", "system:nodes", hosts=(settings.NODE, NODE_ADDRESS))
    authority.kubeconfig("admin", "admin", "system:masters")
    authority.kubeconfig("node", f"system:node:{settings.NODE}", "system:nodes")
    for name in ("kube-controller-manager", "kube-scheduler", "kube-proxy"):
        authority.kubeconfig(name, f"system:{name}")
    settings.write(home, pki)
    cluster.start("etcd", "--data-dir", home / "etcd", "--unsafe-no-fsync", "--log-level", "warn")
    cluster.start(
        "kube-apiserver",
        "--etcd-servers=http://127.0.0.1:2379",
        f"--advertise-address={NODE_ADDRESS}",
        f"--service-cluster-ip-range={settings.SERVICES}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        # Nobody knows the node by its name.
        "--kubelet-preferred-address-types=InternalIP",
        f"--secure-port={PORT}",
        f"--client-ca-file={pki}/ca.crt",
        f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key",
        f"--kubelet-certificate-authority={pki}/ca.crt",
        f"--kubelet-client-certificate={pki}/to-kubelet.crt",
        f"--kubelet-client-key={pki}/to-kubelet.key",
        f"--service-account-issuer=https://kubernetes.default.svc.{settings.DOMAIN}",
        f"--service-account-key-file={pki}/service-accounts.crt",
        f"--service-account-signing-key-file={pki}/service-accounts.key",
    )
    cluster.wait("the API server", lambda: cluster.kubectl("get", "--raw", "/readyz", check=False) == "ok")
    for name in ("kube-controller-manager", "kube-scheduler"):
        config = pki / f"{name}.kubeconfig"
        options = [f"--{kind}kubeconfig={config}" for kind in ("", "authentication-", "authorization-")]
        more = [
            f"--service-account-private-key-file={pki}/service-accounts.key",
            f"--root-ca-file={pki}/ca.crt",
            "--use-service-account-credentials",
        ]
        cluster.start(
            name, *options, "--leader-elect=false", "--bind-address=127.0.0.1", *(more if "manager" in name else [])
        )


def _node(cluster: Cluster) -> None:
    pki, home = cluster.home / "pki", cluster.home
    cluster.start("containerd", "--config", home / "containerd.toml")
    cluster.wait("containerd", lambda: cluster.inside.run("ctr", "version").returncode == 0)
    cluster.start(
        "kubelet",
        f"--config={home}/kubelet.json",
        f"--kubeconfig={pki}/node.kubeconfig",
        f"--root-dir={home}/kubelet",
        f"--hostname-override={settings.NODE}",
        f"--node-ip={NODE_ADDRESS}",
        "--v=2",
    )
    cluster.start("kube-proxy", f"--config={home}/kube-proxy.json")
    cluster.wait("the node", lambda: '"Ready",True' in _conditions(cluster).replace("'", '"'))


def _conditions(cluster: Cluster) -> str:
    words = '{range .items[*].status.conditions[*]}"{.type}",{.status} {end}'
    return cluster.kubectl("get", "nodes", f"--output=jsonpath={words}", check=False)
