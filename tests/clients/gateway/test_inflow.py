# SPDX-License-Identifier: Apache-2.0
"""A peer that announces more than it may is hung up on before it has sent it."""

import socket
import struct

import pytest
from pynetdicom import AE, evt
from pynetdicom.sop_class import CTImageStorage

from tests.clients.ct_series import CtSeries
from tests.clients.gateway.conftest import wait_for
from tests.clients.gateway.fake_analyzer import FakeAnalyzer
from tests.clients.gateway.peers import association, store
from vcf_client.gateway.config import Config
from vcf_client.gateway.inflow import MOST_PDU_BYTES, Inflow, TooMuch
from vcf_client.gateway.service import Gateway


class Connection:
    def __init__(self) -> None:
        self.socket, self.peer = socket.socketpair()

    def recv(self, nbytes: int) -> bytearray:
        return bytearray(nbytes)


def test_sizes() -> None:
    connection = Connection()
    inflow = Inflow(connection, most_pdu_bytes=100, most_bytes=250)
    assert len(connection.recv(100)) == 100
    with pytest.raises(TooMuch, match="a PDU of 101 bytes, at most 100"):
        connection.recv(101)
    connection.recv(100)
    with pytest.raises(TooMuch, match="more than 250 bytes"):
        connection.recv(51)
    assert connection.peer.recv(1) == b""  # hung up
    inflow.stored()
    assert len(connection.recv(100)) == 100


@pytest.mark.parametrize("nbytes", [MOST_PDU_BYTES + 1, 2**32 - 1])
def test_a_huge_pdu_ends_the_association(config: Config, caplog: pytest.LogCaptureFixture, nbytes: int) -> None:
    with Gateway(config, FakeAnalyzer()) as gateway:
        with association(config.port, CTImageStorage) as to:
            to.dul.socket.send(struct.pack(">BBL", 4, 0, nbytes))
            wait_for(lambda: f"announced a PDU of {nbytes} bytes" in caplog.text, 60)
            wait_for(lambda: not gateway._receiver._inflows, 60)
        assert store(config.port, CtSeries(slices=1).images()) == [0x0000]


def test_pynetdicom_keeps_within_what_it_is_told(config: Config) -> None:
    """The bound does not meet peers that heed the maximum length."""
    told = []
    ae = AE("PACS")
    ae.add_requested_context(CTImageStorage)
    with Gateway(config, FakeAnalyzer()):
        opened = ae.associate(
            "127.0.0.1",
            config.port,
            ae_title="VCF",
            evt_handlers=[(evt.EVT_ACCEPTED, lambda event: told.append(event.assoc.acceptor.maximum_length))],
        )
        opened.release()
    assert told and told[0] <= MOST_PDU_BYTES
