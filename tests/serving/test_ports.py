# SPDX-License-Identifier: Apache-2.0

import socket
from pathlib import Path

import pytest

from vcf_server import ports


def outgoing() -> range:
    first, last = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    return range(first, last + 1)


def test_free_ports_are_none_of_outgoing_connections() -> None:
    found = [ports.free_port() for _ in range(50)]
    assert not set(found) & set(outgoing()) and len(set(found)) > 25
    for port in found[:3]:
        socket.create_server(("127.0.0.1", port)).close()


def test_two_held_at_once_differ() -> None:
    with ports.listener() as first, ports.listener() as second:
        assert first.getsockname() != second.getsockname()
        with socket.create_connection(first.getsockname(), 5):
            pass


def test_a_port_that_is_taken_or_none() -> None:
    with ports.listener() as held, pytest.raises(OSError, match="in use"):
        ports.listener(port=held.getsockname()[1])
    with pytest.raises(OSError):
        ports.listener("no-such-host.invalid")


@pytest.mark.parametrize("text", ["", "x y", "1024 60999", None])
def test_a_kernel_that_does_not_say_or_leaves_nothing_below(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    if text is not None:
        (tmp_path / "range").write_text(text)
    monkeypatch.setattr(ports, "_RANGE", tmp_path / "range")
    assert 15_000 <= ports.free_port() < 32_768


def test_where_all_are_taken_the_kernel_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    with ports.listener() as held:
        taken = held.getsockname()[1]
        monkeypatch.setattr(ports.random, "sample", lambda population, k: [taken] * k)
        assert ports.free_port() in outgoing()
