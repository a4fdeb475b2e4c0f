# SPDX-License-Identifier: Apache-2.0
"""An association that we ask for, with a defect of pynetdicom 3 kept away from it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pynetdicom import AE
from pynetdicom.association import Association

_TURN_S = 0.05
"""Many turns of the association's thread, which takes one each millisecond."""


class _Gate(threading.Event):
    """Stays shut whoever sets it, until it is opened."""

    def set(self) -> None:
        pass

    def open(self) -> None:
        super().set()


@contextmanager
def associate(ae: AE, host: str, port: int, ae_title: str) -> Iterator[Association]:
    """Ask for an association and release it in the end; look at ``is_established`` before using it.

    A request and the association's own thread share the queue of answers. pynetdicom pauses the thread for each
    request, but the thread may pass the checkpoint just before; then it takes the answer and drops it as unexpected,
    and the request waits for its timeout. On a busy machine that was one answer in a hundred. Here the thread stays
    paused from the first request to the last, as a requestor gets nothing but answers.
    """
    association = ae.associate(host, port, ae_title=ae_title)
    checkpoint, gate = association._reactor_checkpoint, _Gate()
    association._reactor_checkpoint = gate
    checkpoint.clear()
    time.sleep(_TURN_S)
    try:
        yield association
    finally:
        if association.is_established:
            association.release()
        gate.open()
        checkpoint.set()
