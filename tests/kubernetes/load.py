# SPDX-License-Identifier: Apache-2.0
"""A pod that sends studies to the release without a pause, as a client of the cluster does."""

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.kubernetes.cluster import Cluster
from tests.kubernetes.images import TAG

NAME = "sender"
LIMIT_S = 600


@dataclass(frozen=True)
class Load:
    """What the pod has told so far, and how to end it."""

    cluster: Cluster
    namespace: str

    def told(self) -> dict[str, Any]:
        """Its last line: answered, lost, longest_s, scores, errors."""
        said = self.cluster.kubectl(
            "logs", "--namespace", self.namespace, NAME, "--container", NAME, "--tail=1", check=False
        )
        try:
            found: dict[str, Any] = json.loads(said)
        except ValueError:
            return {"ended": False, "answered": 0, "lost": 0}
        return found

    def reach(self, more: int) -> None:
        """Wait until so many more studies are answered, or one is lost."""
        told = self.told()
        wanted, until = told["answered"] + more, time.monotonic() + LIMIT_S
        while told["answered"] < wanted and not told["lost"]:
            assert time.monotonic() < until, f"{told} of {wanted}"
            time.sleep(1)
            told = self.told()

    def end(self) -> dict[str, Any]:
        """No study more; the last line."""
        self.cluster.kubectl(
            "exec", "--namespace", self.namespace, NAME, "--container", NAME, "--", "touch", "/tmp/stop"
        )
        until = time.monotonic() + LIMIT_S
        while not (told := self.told())["ended"]:
            assert time.monotonic() < until, told
            time.sleep(1)
        return told


@contextlib.contextmanager
def sending(cluster: Cluster, namespace: str, clients: int = 2, threads: int = 2) -> Iterator[Load]:
    """Studies by ``clients`` clients of ``threads`` threads each, from the first that is answered."""
    program = (Path(__file__).parent / "sender.py").read_text()
    config = {"name": NAME, "namespace": namespace}
    cluster.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": config, "data": {"sender.py": program}},
        {"apiVersion": "v1", "kind": "Pod", "metadata": _labelled(config), "spec": _pod(namespace, clients, threads)},
    )
    load = Load(cluster, namespace)
    try:
        load.reach(1)
        yield load
    finally:
        cluster.kubectl("delete", "pod", "--namespace", namespace, NAME, "--grace-period=1", timeout_s=180)


def _labelled(metadata: dict[str, str]) -> dict[str, Any]:
    return {**metadata, "labels": {"vcf-triton/client": "true"}}


def _pod(namespace: str, clients: int, threads: int) -> dict[str, Any]:
    image = f"vcf-client:{TAG}"
    tmp = {"name": "tmp", "mountPath": "/tmp"}
    phantom = ["phantom", "/tmp/study", "--seed", "3", "--spacing", "3.0x1.2"]
    target = f"dns:///triton.{namespace}.svc:8001"
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "initContainers": [{"name": "phantom", "image": image, "args": phantom, "volumeMounts": [tmp]}],
        "containers": [
            {
                "name": NAME,
                "image": image,
                "command": ["python3", "/program/sender.py", target, "/tmp/study", str(clients), str(threads)],
                "volumeMounts": [tmp, {"name": "program", "mountPath": "/program"}],
            }
        ],
        "volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "program", "configMap": {"name": NAME}}],
    }
