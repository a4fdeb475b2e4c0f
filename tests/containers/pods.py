# SPDX-License-Identifier: Apache-2.0
"""Pods without a cluster: the rendered Deployment's container as Docker runs it, probes and drain from the same text.

Like a pod, and unlike a plain container, its ``/dev/shm`` and its host name outlive the container: a second, idle
container holds them, as the sandbox of a pod does. What this cannot show is what only a cluster does: scheduling,
Services, NetworkPolicies, eviction.
"""

import re
import subprocess
import uuid
from dataclasses import dataclass, field
from typing import Any

from tests.containers.compose import eventually
from tests.containers.engine import Engine

NETWORK = "vcf-pods"
ALIAS = "triton"


def _mebibytes(quantity: str) -> int:
    return int(quantity[:-2]) * {"Gi": 1024, "Mi": 1}[quantity[-2:]]


@dataclass
class Pod:
    """One pod of the Deployment ``document``."""

    engine: Engine
    document: dict[str, Any]
    name: str
    uid: str = field(default_factory=lambda: str(uuid.uuid4()))
    restarts: int = 0
    """How often a container ended by itself while it was waited for, and was started again, as a kubelet does."""

    @property
    def spec(self) -> dict[str, Any]:
        found: dict[str, Any] = self.document["spec"]["template"]["spec"]
        return found

    @property
    def container(self) -> dict[str, Any]:
        (only,) = self.spec["containers"]
        found: dict[str, Any] = only
        return found

    def create(self) -> None:
        """The volumes, held as a pod's sandbox holds them, and the first container."""
        for volume in self.spec["volumes"]:
            kind, size = volume["emptyDir"].get("medium"), _mebibytes(volume["emptyDir"]["sizeLimit"])
            group = self.spec["securityContext"]["fsGroup"]
            options = (
                ["type=tmpfs", "device=tmpfs", f"o=size={size}m,mode=2777,gid={group}"] if kind == "Memory" else []
            )
            words = [word for option in options for word in ("--opt", option)]
            self.engine.docker("volume", "create", *words, f"{self.name}-{volume['name']}")
        holder = ["run", "--detach", "--name", f"{self.name}-sandbox", "--network", "none", "--entrypoint", "sleep"]
        self.engine.docker(*holder, *self._mounts("/held"), "--user", "0:0", "vcf-client", "infinity")
        self.engine.docker("exec", f"{self.name}-sandbox", "chmod", "2777", *self._targets("/held"))
        self.start()

    def start(self) -> None:
        """The container, as the kubelet starts it again and again."""
        context, limits = self.spec["securityContext"], self.container["resources"]["limits"]
        environment = {entry["name"]: entry.get("value", self.uid) for entry in self.container["env"]}
        memory = f"{_mebibytes(limits['memory'])}m"
        words = ["run", "--detach", "--name", self.name, "--hostname", self.name, "--network", NETWORK]
        words += ["--network-alias", ALIAS, "--user", f"{context['runAsUser']}:{context['runAsGroup']}", "--read-only"]
        words += ["--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--memory", memory]
        words += ["--memory-swap", memory, "--stop-timeout", str(self.spec["terminationGracePeriodSeconds"])]
        words += ["--ipc", "none", *self._mounts("")]
        words += [word for name, value in environment.items() for word in ("--env", f"{name}={value}")]
        arguments = [
            re.sub(r"\$\((\w+)\)", lambda found: environment[found[1]], word) for word in self.container["args"]
        ]
        self.engine.docker(*words, self.container["image"], *arguments)

    def _mounts(self, below: str) -> list[str]:
        return [
            word
            for mount in self.container["volumeMounts"]
            for word in ("--volume", f"{self.name}-{mount['name']}:{below}{mount['mountPath']}:nocopy")
        ]

    def _targets(self, below: str) -> list[str]:
        return [f"{below}{mount['mountPath']}" for mount in self.container["volumeMounts"]]

    def execute(self, command: list[str]) -> tuple[int, str]:
        """A probe or a hook, where the kubelet runs it."""
        return self.engine.status("exec", self.name, *command)

    def probe(self, kind: str) -> tuple[int, str]:
        """Exit status and word of the startup, readiness or liveness probe."""
        return self.execute(self.container[f"{kind}Probe"]["exec"]["command"])

    def wait(self) -> None:
        """Until the startup probe passes, or it has failed as often as it may."""
        probe = self.container["startupProbe"]
        assert eventually(self._is_up, probe["failureThreshold"] * probe["periodSeconds"], 1), self.log()

    def _is_up(self) -> bool:
        if not self.runs():
            self.restarts += 1
            assert self.restarts < 4, self.log()
            self.engine.docker("rm", self.name)
            self.start()
            return False
        return self.probe("startup")[0] == 0

    def runs(self) -> bool:
        return self.engine.docker("inspect", "--format", "{{.State.Running}}", self.name).strip() == "true"

    def drain(self) -> tuple[int, str]:
        """The preStop hook."""
        return self.execute(self.container["lifecycle"]["preStop"]["exec"]["command"])

    def kill(self) -> None:
        """SIGKILL to the container and all in it; the pod's volumes stay."""
        self.engine.docker("kill", self.name)
        self.engine.docker("rm", self.name)

    def remove(self) -> None:
        self.engine.docker("rm", "--force", self.name, f"{self.name}-sandbox", check=False)
        for volume in self.spec["volumes"]:
            self.engine.docker("volume", "rm", f"{self.name}-{volume['name']}", check=False)

    def log(self) -> str:
        return self.engine.docker("logs", "--tail", "60", self.name, check=False)

    def shared_memory_mib(self) -> int:
        """How much of ``/dev/shm`` is taken."""
        said = self.engine.docker(
            "exec", f"{self.name}-sandbox", "df", "--block-size=1M", "--output=used", "/held/dev/shm"
        )
        return int(said.split()[-1])

    def requests(self, model: str) -> int:
        """How many requests of a model this server has answered."""
        ask = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8002/metrics').read().decode())"
        said = self.engine.docker("exec", self.name, "python3", "-c", ask)
        found = re.search(rf'^nv_inference_request_success{{model="{model}",[^}}]*}} (\d+)', said, re.MULTILINE)
        return int(found[1]) if found else 0

    def address(self) -> str:
        """Of gRPC, inside the network of the pods, which this machine reaches too."""
        line = '{{(index .NetworkSettings.Networks "' + NETWORK + '").IPAddress}}'
        return f"{self.engine.docker('inspect', '--format', line, self.name).strip()}:8001"


def network(engine: Engine) -> None:
    """The network of all pods."""
    subprocess.run(["docker", "network", "rm", NETWORK], env=engine.environment, capture_output=True)
    engine.docker("network", "create", NETWORK)
