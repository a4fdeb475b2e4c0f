# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from vcf_server import doctor

if TYPE_CHECKING:
    from vcf_server.server import TritonServer


def by_name(items: list[doctor.Item]) -> dict[str, doctor.Item]:
    return {item.name: item for item in items}


def test_every_item_that_is_not_there_says_what_to_do() -> None:
    items = doctor.look()
    assert {item.area for item in items} == {"machine", "GPU", "packages", "server", "ports"}
    assert all(bool(item.fix) is (item.state != doctor.OK) for item in items)


def test_a_repository_that_is_not_there(tmp_path: Path) -> None:
    item = by_name(doctor.look(tmp_path / "nowhere"))["models of the form cpu"]
    assert item.state == doctor.MISSING and "no model repository" in item.fix


def test_too_little_shared_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "LEAST_SHM_BYTES", 1 << 60)
    item = by_name(doctor.look())["free in /dev/shm"]
    assert item.state == doctor.MISSING and "--shm-size" in item.fix


def test_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setattr(doctor, "PATIENCE_S", 0.05)
        monkeypatch.setattr(doctor, "PORTS", {"grpc": taken.getsockname()[1], "http": taken.getsockname()[1]})
        grpc, http = (item for item in doctor.look() if item.area == "ports")
    assert grpc.state == http.state == doctor.ABSENT and "--grpc-port" in grpc.fix and "in use" in grpc.found


@pytest.mark.server
def test_a_server_that_runs(triton_server: TritonServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PORTS", {"http": triton_server.http_port})
    (item,) = (item for item in doctor.look() if item.area == "ports")
    assert item.state == doctor.OK and "a Triton server answers" in item.found
