# SPDX-License-Identifier: Apache-2.0
"""The compose file of a clone at work, with ports of its own."""

import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.containers.engine import Engine
from vcf_server import ports


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nothing listens on."""
    held = [ports.listener() for _ in range(count)]
    try:
        return [listener.getsockname()[1] for listener in held]
    finally:
        for listener in held:
            listener.close()


def eventually(what: Callable[[], bool], limit_s: float, pause_s: float = 0.5) -> bool:
    """Whether something comes true in time."""
    until = time.monotonic() + limit_s
    while not what():
        if time.monotonic() > until:
            return False
        time.sleep(pause_s)
    return True


@dataclass(frozen=True)
class Compose:
    """``docker-compose --profile cpu`` in a clone."""

    engine: Engine
    clone: Path
    http_port: int
    grpc_port: int
    metrics_port: int

    @property
    def environment(self) -> dict[str, str]:
        ports = {f"VCF_{name.upper()}_PORT": str(getattr(self, f"{name}_port")) for name in ("http", "grpc", "metrics")}
        return {**self.engine.environment, **ports, "COMPOSE_PROJECT_NAME": "vcf"}

    @property
    def address(self) -> str:
        """Of gRPC, on this machine."""
        return f"127.0.0.1:{self.grpc_port}"

    def run(self, *words: str, timeout_s: float = 300, **more: str) -> tuple[int, str]:
        """Run a program in the clone; its exit status and both of its streams."""
        done = subprocess.run(
            words, cwd=self.clone, env={**self.environment, **more}, capture_output=True, text=True, timeout=timeout_s
        )
        return done.returncode, done.stdout + done.stderr

    def up(self) -> None:
        """Start the server, and wait until Docker calls it healthy."""
        status, said = self.run("docker-compose", "--profile", "cpu", "up", "--detach", "--no-build", "triton-cpu")
        assert status == 0, said
        assert eventually(lambda: self.health() == "healthy", 180), self.log()

    def down(self) -> None:
        self.run("docker-compose", "--profile", "cpu", "down", "--volumes", "--timeout", "2")

    @property
    def container(self) -> str:
        return self.engine.docker("ps", "--quiet", "--filter", "label=com.docker.compose.service=triton-cpu").strip()

    def health(self) -> str:
        """In Docker's words."""
        return self.engine.docker("inspect", "--format", "{{.State.Health.Status}}", self.container).strip()

    def log(self) -> str:
        return self.engine.docker("logs", "--tail", "40", self.container, check=False)


def findings_in(folder: Path) -> dict[str, object]:
    """What `vcf analyze --report` wrote."""
    found: dict[str, object] = json.loads((folder / "findings.json").read_text())
    return found
