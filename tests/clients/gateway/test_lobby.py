# SPDX-License-Identifier: Apache-2.0
"""Connections that say nothing, or not enough, cost a socket for a while and keep nobody out."""

import socket
import struct
import threading
import time
from dataclasses import replace

import pytest

from tests.clients.ct_series import CtSeries
from tests.clients.gateway.conftest import wait_for
from tests.clients.gateway.fake_analyzer import FakeAnalyzer
from tests.clients.gateway.peers import store
from vcf_client.gateway.config import Caller, Config
from vcf_client.gateway.lobby import MOST_REQUEST_BYTES, Lobby
from vcf_client.gateway.service import Gateway

REQUEST = struct.pack(">BBLH", 1, 0, 300, 1) + bytes(298)


class Door:
    """A listening socket before a lobby; ``entered`` are those that have asked."""

    def __init__(self, **options):
        self.entered = []
        self.lobby = Lobby(lambda connection, address: self.entered.append((connection, address)), **options)
        self._listener = socket.create_server(("127.0.0.1", 0))

    def connect(self, first=b""):
        peer = socket.create_connection(self._listener.getsockname(), 10)
        self.lobby.admit(*self._listener.accept())
        peer.sendall(first)
        return peer

    def close(self):
        self.lobby.close()
        self._listener.close()
        for connection, _ in self.entered:
            connection.close()


@pytest.fixture
def door():
    opened = Door(asks_within_s=60)
    yield opened
    opened.close()


def is_closed(peer):
    peer.settimeout(30)
    try:
        return peer.recv(1) == b""
    except ConnectionResetError:
        return True


def test_who_has_asked_enters_and_nothing_of_it_is_lost(door):
    with door.connect(REQUEST[:100]) as peer:
        time.sleep(0.1)
        assert not door.entered
        peer.sendall(REQUEST[100:])
        wait_for(lambda: door.entered, 30)
        ((connection, address),) = door.entered
        assert address == peer.getsockname()
        assert connection.recv(1000) == REQUEST


@pytest.mark.parametrize(
    "said",
    [b"GET / HTTP/1.0\r\n\r\n", b"\x04\0\0\0\0\x06abcdef", struct.pack(">BBL", 1, 0, MOST_REQUEST_BYTES + 1), bytes(6)],
)
def test_who_asks_for_something_else_is_shown_out(door, said):
    with door.connect(said) as peer:
        assert is_closed(peer)
    assert not door.entered


def test_who_does_not_ask_in_time_goes():
    door = Door(asks_within_s=0.2)
    with door.connect() as silent, door.connect(REQUEST[:50]) as slow:
        assert is_closed(silent) and is_closed(slow)
    door.close()


def test_of_too_many_the_oldest_goes():
    door = Door(asks_within_s=60, most_waiting=3)
    peers = [door.connect() for _ in range(4)]
    assert is_closed(peers[0])
    for peer in peers[1:]:
        peer.sendall(REQUEST)
    wait_for(lambda: len(door.entered) == 3, 30)
    for peer in peers:
        peer.close()
    door.close()


def test_close_closes_all_that_wait():
    door = Door()
    peers = [door.connect() for _ in range(3)]
    door.close()
    assert all(is_closed(peer) for peer in peers)


@pytest.mark.slow
def test_silent_connections_keep_nobody_out(config: Config) -> None:
    """More of them than there may be associations, before and while a peer sends."""
    before = threading.active_count()
    with Gateway(replace(config, max_associations=4), FakeAnalyzer()):
        silent = [socket.create_connection(("127.0.0.1", config.port), 10) for _ in range(100)]
        assert set(store(config.port, CtSeries(slices=3).images())) == {0x0000}
        assert threading.active_count() - before < 50  # none for each of them
        for peer in silent:
            peer.close()


def test_an_address_of_no_caller_is_closed_at_once(config: Config) -> None:
    stranger = replace(config, callers=(Caller("PACS", "192.0.2.1"),))
    with Gateway(stranger, FakeAnalyzer()), socket.create_connection(("127.0.0.1", config.port), 10) as peer:
        assert is_closed(peer)
    with Gateway(replace(config, callers=(Caller("PACS", "192.0.2.1"), Caller("OTHER"))), FakeAnalyzer()):
        assert store(config.port, CtSeries(slices=1).images(), calling="OTHER") == [0x0000]
