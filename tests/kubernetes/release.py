# SPDX-License-Identifier: Apache-2.0
"""The chart as a release ``triton`` in the namespace ``vcf``, installed and upgraded by helm."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.deploy import chart
from tests.kubernetes.cluster import Cluster

NAMESPACE = "vcf"
NAME = "triton"
SERVERS = "app.kubernetes.io/component=server"
# Two cores have to do for all pods. The limit of memory and the shared memory stay the chart's own.
SMALL = ["--set", "resources.requests.cpu=200m", "--set", "resources.requests.memory=1Gi"]


@dataclass(frozen=True)
class Release:
    """The chart's release, and its pods."""

    cluster: Cluster

    def helm(self, *words: str, timeout_s: float = 600) -> str:
        """Run helm inside the cluster's network."""
        program = chart.program()
        command = [program, *words, "--kubeconfig", self.cluster.kubeconfig, "--namespace", NAMESPACE]
        done = self.cluster.inside.run(*command, timeout_s=timeout_s)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout

    def set(self, *values: str, wait: bool = True) -> None:
        """Install or upgrade with the CPU preset and these values of helm."""
        options = [word for value in values for word in ("--set", value)]
        self.helm(
            *("upgrade", "--install", NAME, str(chart.CHART), "--create-namespace", *chart.values("cpu"), *SMALL),
            *(*options, *(["--wait", "--timeout", "8m"] if wait else [])),
        )

    def pods(self, selector: str = SERVERS) -> list[dict[str, Any]]:
        """Those that are not on their way out."""
        found = self.cluster.get("pods", "--namespace", NAMESPACE, "--selector", selector)["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def ready(self) -> list[str]:
        """Names of the pods that take studies."""
        return sorted(pod["metadata"]["name"] for pod in self.pods() if condition(pod, "Ready"))

    def all_pods(self) -> list[str]:
        """Those on their way out, too."""
        found = self.cluster.get("pods", "--namespace", NAMESPACE, "--selector", SERVERS)["items"]
        return sorted(pod["metadata"]["name"] for pod in found)

    def restarts(self, pod: str) -> int:
        """How often the kubelet has started its container anew."""
        found = self.cluster.get("pod", "--namespace", NAMESPACE, pod)
        return int(found["status"]["containerStatuses"][0]["restartCount"])

    def addresses(self) -> list[str]:
        """What the Service's name stands for: ready endpoints."""
        selector = f"kubernetes.io/service-name={NAME}"
        slices = self.cluster.get("endpointslices", "--namespace", NAMESPACE, "--selector", selector)["items"]
        return sorted(
            endpoint["targetRef"]["name"]
            for each in slices
            for endpoint in each["endpoints"] or []
            if endpoint["conditions"]["ready"]
        )

    def execute(self, pod: str, *command: str, check: bool = True) -> str:
        """Run a program in a server's container."""
        return self.cluster.kubectl("exec", "--namespace", NAMESPACE, pod, "--", *command, check=check)

    def evict(self, pod: str) -> str:
        """Ask for an eviction, as ``kubectl drain`` does; what the API server says."""
        path = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}/eviction"
        body = f'{{"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {{"name": "{pod}"}}}}'
        return self.cluster.kubectl("create", "--raw", path, "--filename", "-", check=False, stdin=body)

    def wait(self, what: str, true: Callable[[], bool], limit_s: float = 600) -> float:
        """Wait for a state; how many seconds it took."""
        started = time.monotonic()
        while not true():
            assert time.monotonic() - started < limit_s, f"{what}\n{self.describe()}"
            time.sleep(1)
        return time.monotonic() - started

    def describe(self) -> str:
        """Pods and the last events, for a failure."""
        pods = self.cluster.kubectl("get", "pods", "--all-namespaces", "--output", "wide", check=False)
        events = self.cluster.kubectl(
            "get", "events", "--namespace", NAMESPACE, "--sort-by=.lastTimestamp", check=False
        )
        return "\n".join([pods, *events.splitlines()[-15:]])


def condition(pod: dict[str, Any], kind: str) -> bool:
    """Whether a pod's condition is true."""
    return any(each["type"] == kind and each["status"] == "True" for each in pod["status"].get("conditions", []))


def seconds_to_ready(pod: dict[str, Any]) -> float:
    """From the pod's creation to ready, in whole seconds as Kubernetes keeps them."""
    ready = next(each for each in pod["status"]["conditions"] if each["type"] == "Ready")
    times = [pod["metadata"]["creationTimestamp"], ready["lastTransitionTime"]]
    created, became = (datetime.fromisoformat(each) for each in times)
    return (became - created).total_seconds()
