# SPDX-License-Identifier: Apache-2.0
"""Each way not to come to an association has a word of its own."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from pydicom.uid import CTImageStorage
from pynetdicom import AE, evt
from pynetdicom.sop_class import Verification

from vcf_client.gateway.requestor import (
    ABORTED,
    NO_CONTEXT,
    NOT_REACHED,
    REJECTED,
    NoAssociation,
    associate,
    is_alive,
)


@contextmanager
def peer(**options: object) -> Iterator[tuple[int, AE]]:
    ae = AE("PEER")
    ae.add_supported_context(Verification)
    for name, value in options.items():
        if name != "handlers":
            setattr(ae, name, value)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=options.get("handlers", []))  # type: ignore[arg-type]
    try:
        yield server.server_address[1], ae
    finally:
        server.shutdown()


def caller(sop_class: str = Verification) -> AE:
    ae = AE("VCF")
    ae.add_requested_context(sop_class)
    ae.acse_timeout = ae.network_timeout = ae.connection_timeout = 60
    return ae


def why(port: int, ae: AE | None = None, title: str = "PEER") -> str:
    with pytest.raises(NoAssociation) as none, associate(ae or caller(), "127.0.0.1", port, title):
        pass
    return str(none.value)


def test_many_answers_in_one_association() -> None:
    """On a busy machine one in a hundred was lost: the association's own thread took it."""
    with peer() as (port, _), associate(caller(), "127.0.0.1", port, "PEER") as opened:
        assert is_alive(opened)
        assert {opened.send_c_echo().Status for _ in range(50)} == {0x0000}
    assert not opened.is_established and opened.is_released


def test_nobody_listens() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        assert why(held.getsockname()[1]) == NOT_REACHED


def test_another_title_is_asked_for() -> None:
    with peer(require_called_aet=True) as (port, _):
        assert why(port, title="OTHER") == REJECTED


def test_nothing_that_both_know() -> None:
    with peer() as (port, _):
        assert why(port, caller(CTImageStorage)) == NO_CONTEXT


def test_a_peer_that_hangs_up() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def hang_up() -> None:
            accepted, _ = listener.accept()
            accepted.recv(4096)
            accepted.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        assert why(listener.getsockname()[1]) == ABORTED
        thread.join(60)


def test_a_peer_that_aborts_later_is_noticed() -> None:
    def abort(event: evt.Event) -> int:
        event.assoc.abort()
        return 0x0000

    handlers: list[tuple[object, Callable[..., int]]] = [(evt.EVT_C_ECHO, abort)]
    with peer(handlers=handlers) as (port, _), associate(caller(), "127.0.0.1", port, "PEER") as opened:
        opened.send_c_echo()
        assert not is_alive(opened)
