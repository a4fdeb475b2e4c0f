# SPDX-License-Identifier: Apache-2.0
"""An association that we ask for, why there is none, and a defect of pynetdicom 3 kept away from it."""

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pynetdicom import AE, evt
from pynetdicom.association import Association

NOT_REACHED, REJECTED, ABORTED = "not reached", "rejected", "aborted"
NO_CONTEXT = "no presentation context accepted"
"""Ways not to come to an association, in the words of log and status; each has a cause of its own: network and
address; AE titles and permissions; the peer's software or a proxy; SOP classes and transfer syntaxes."""
NO_ANSWER = "no answer"
"""What may go wrong later."""

_TURN_S = 0.05
"""Many turns of the association's thread, which takes one each millisecond."""


class _Gate(threading.Event):
    """Stays shut whoever sets it, until it is opened."""

    def set(self) -> None:
        pass

    def open(self) -> None:
        super().set()


class NoAssociation(Exception):
    """There is no association; ``str()`` is one of the ways above."""


@contextmanager
def associate(
    ae: AE, host: str, port: int, ae_title: str, context: ssl.SSLContext | None = None
) -> Iterator[Association]:
    """Ask for an association, over TLS with a context, and release it in the end.

    Raises
    ------
    NoAssociation
        If there is none.

    A request and the association's own thread share the queue of answers. pynetdicom pauses the thread for each
    request, but the thread may pass the checkpoint just before; then it takes the answer and drops it as unexpected,
    and the request waits for its timeout. On a busy machine that was one answer in a hundred. Here the thread stays
    paused from the first request to the last, as a requestor gets nothing but answers.
    """
    connected = threading.Event()
    association = ae.associate(
        host,
        port,
        ae_title=ae_title,
        evt_handlers=[(evt.EVT_CONN_OPEN, lambda _: connected.set())],
        tls_args=(context, host) if context else None,
    )
    if not association.is_established:
        raise NoAssociation(_why(association, connected.is_set()))
    checkpoint, gate = association._reactor_checkpoint, _Gate()
    association._reactor_checkpoint = gate
    checkpoint.clear()
    time.sleep(_TURN_S)
    try:
        yield association
    finally:
        if is_alive(association):
            association.release()
        gate.open()
        checkpoint.set()


def is_alive(association: Association) -> bool:
    """Tell whether the peer has not ended an association; its own flag says so only once the paused thread goes on."""
    return association.is_established and not association.acse.is_aborted()


def _why(association: Association, connected: bool) -> str:
    if not connected:
        return NOT_REACHED
    if association.is_rejected:
        return REJECTED
    return NO_CONTEXT if association.rejected_contexts else ABORTED
