# SPDX-License-Identifier: Apache-2.0
"""The compose file: accepted by docker-compose, open to this machine alone, and true to the repository."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from vcf_contract.contract import NETWORKS
from vcf_server.container import DRAIN_S

ROOT = Path(__file__).resolve().parents[1]
PROFILES = ("gpu", "cpu", "plans", "client", "monitoring")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """As docker-compose understands them, with all profiles on."""
    if not (compose := shutil.which("docker-compose")):
        pytest.skip("docker-compose is not installed (Debian package docker-compose)")
    profiles = [word for profile in PROFILES for word in ("--profile", profile)]
    done = subprocess.run([compose, *profiles, "config"], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = yaml.safe_load(done.stdout)["services"]
    return found


def test_every_service_has_its_profile(services: dict[str, Any]) -> None:
    assert {name: service["profiles"] for name, service in services.items()} == {
        "triton-gpu": ["gpu"],
        "triton-cpu": ["cpu"],
        "plans": ["plans"],
        "client": ["client"],
        "prometheus": ["monitoring"],
        "grafana": ["monitoring"],
    }


def test_ports_are_open_to_this_machine_alone(services: dict[str, Any]) -> None:
    ports = [str(port) for service in services.values() for port in service.get("ports", [])]
    assert len(ports) == 8
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_mounts_are_read_only_but_for_plans_reports_and_series(services: dict[str, Any]) -> None:
    mounts = [mount for service in services.values() for mount in service["volumes"]]
    writable = {
        mount["target"] if isinstance(mount, dict) else mount.split(":")[1]
        for mount in mounts
        if not (mount.get("read_only") if isinstance(mount, dict) else mount.endswith(":ro"))
    }
    assert writable == {"/out", "/models", "/prometheus"}
    assert all(services[name]["volumes"][0].endswith("/models:ro") for name in ("triton-gpu", "triton-cpu"))


@pytest.mark.parametrize("name", ["triton-gpu", "triton-cpu"])
def test_servers_have_a_health_check_and_shared_memory(services: dict[str, Any], name: str) -> None:
    """Not Triton's readiness, which stays true when a Python process has died."""
    service = services[name]
    assert service["healthcheck"]["test"][-4:] == ["/opt/vcf/probe.py", "--ensembles", "--timeout-s", "20"]
    assert service["shm_size"]
    assert service["networks"]["default"]["aliases"] == ["triton"]


@pytest.mark.parametrize("name", ["triton-gpu", "triton-cpu"])
def test_a_server_has_time_to_end_its_studies(services: dict[str, Any], name: str) -> None:
    service = services[name]
    exit_s = next(float(word.partition("=")[2]) for word in service["command"] if word.startswith("--exit-timeout"))
    assert service["command"][:3] == ["python3", "-m", "vcf_server.container"]
    assert service["stop_grace_period"] in ("3m", "3m0s")
    assert DRAIN_S + exit_s < 180


def test_only_what_needs_a_gpu_reserves_one(services: dict[str, Any]) -> None:
    def devices(name: str) -> list[Any]:
        found: list[Any] = (
            services[name].get("deploy", {}).get("resources", {}).get("reservations", {}).get("devices", [])
        )
        return found

    assert [d["capabilities"] for d in devices("triton-gpu") + devices("plans")] == [["gpu"], ["gpu"]]
    assert devices("triton-cpu") == devices("client") == []


def test_only_the_cpu_server_takes_the_cpu_configuration(services: dict[str, Any]) -> None:
    assert "--model-config-name=cpu" in services["triton-cpu"]["command"]
    assert not any("config-name" in word for word in services["triton-gpu"]["command"])
    assert any((ROOT / "model_repository").glob("*/configs/cpu.pbtxt"))


def test_the_gpu_server_looks_at_its_plans_before_it_starts(services: dict[str, Any]) -> None:
    from vcf_server.stale import CONTAINER_POLICIES

    *python, option, policy, dashes, server = services["triton-gpu"]["command"][:7]
    assert python == ["python3", "-m", "vcf_server.container"]
    assert (option, dashes, server) == ("--on-stale-plan", "--", "tritonserver")
    assert policy in CONTAINER_POLICIES


def test_plans_are_built_by_the_release_that_serves_them() -> None:
    images = [
        re.search(r"^ARG \w+_IMAGE=\S+:(\S+)$", (ROOT / "deploy" / name).read_text(), re.MULTILINE)
        for name in ("server.Dockerfile", "plans.Dockerfile")
    ]
    assert images[0] and images[1] and images[0][1] == images[1][1]


def test_plan_commands_need_the_standard_library_alone(tiny_repository: Path) -> None:
    """As the image of the plans runs it: no package installed, no site-packages, only the folders that it copies."""
    dockerfile = (ROOT / "deploy" / "plans.Dockerfile").read_text()
    copied = dict(re.findall(r"^COPY (\S+) (/opt/vcf/\S+)$", dockerfile, re.MULTILINE))
    (path,) = re.findall(r"^ENV PYTHONPATH=(\S+)$", dockerfile, re.MULTILINE)
    assert path.split(":") == list(copied.values())
    command = [
        sys.executable,
        "-S",
        "-m",
        "vcf_cli",
        "export",
        "tensorrt",
        "--repository",
        str(tiny_repository),
        "--trtexec",
    ]
    environment = {"PYTHONPATH": os.pathsep.join(str(ROOT / room) for room in copied), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["trtexec"] * len(NETWORKS)


def test_the_client_calls_the_server_by_its_alias(services: dict[str, Any]) -> None:
    from vcf_cli import _parser

    args = _parser("analyze").parse_args(services["client"]["command"])
    assert args.server == ["triton:8001"]


def test_dockerfiles_copy_what_is_there_and_not_ignored(services: dict[str, Any]) -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for service in (service for service in services.values() if "build" in service):
        dockerfile = ROOT / service["build"]["dockerfile"]
        copied = [
            word
            for line in dockerfile.read_text().splitlines()
            if line.startswith("COPY ")
            for word in line.split()[1:-1]
        ]
        assert copied
        for path in copied:
            assert (ROOT / path).exists(), path
            assert path in kept, path
        if target := service["build"].get("target"):
            assert re.search(rf"^FROM .* AS {target}$", dockerfile.read_text(), re.MULTILINE)
