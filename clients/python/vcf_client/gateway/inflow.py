# SPDX-License-Identifier: Apache-2.0
"""Tell how much a peer may make the gateway hold: by PDU, which pynetdicom reads whole, and by object."""

import socket
from contextlib import suppress
from typing import Any, NoReturn

from vcf_client.gateway.log import logger
from vcf_client.unpacking import MAX_FILE_BYTES

MAX_PDU_BYTES = 1 << 18
"""Told to peers (DICOM PS3.8 annex D.1)."""
MOST_PDU_BYTES = 4 * MAX_PDU_BYTES
"""Read all the same from those that do not keep to it."""


class TooMuch(OSError):
    """pynetdicom takes it for a connection that broke, which it is by then."""


class Inflow:
    """Tell what comes through one connection, counted since its last object was stored."""

    def __init__(self, connection: Any, most_pdu_bytes: int = MOST_PDU_BYTES, most_bytes: int = MAX_FILE_BYTES) -> None:
        self._connection, self._receive = connection, connection.recv
        self._most_pdu_bytes, self._most_bytes = most_pdu_bytes, most_bytes
        self._held_bytes = 0
        connection.recv = self.receive

    def receive(self, nbytes: int) -> bytearray:
        """Read as many bytes from the peer.

        Raises
        ------
        TooMuch
            If it announces more than it may.
        """
        if nbytes > self._most_pdu_bytes:
            self._refuse(f"a PDU of {nbytes} bytes, at most {self._most_pdu_bytes} are accepted")
        self._held_bytes += nbytes
        if self._held_bytes > self._most_bytes:
            self._refuse(f"an object of more than {self._most_bytes} bytes")
        content: bytearray = self._receive(nbytes)
        return content

    def _refuse(self, what: str) -> NoReturn:
        logger.warning("a connection was closed: it announced %s", what)
        with suppress(OSError):
            self._connection.socket.shutdown(socket.SHUT_RDWR)
        raise TooMuch(what)

    def stored(self) -> None:
        """Begin to count anew: what came is on disk."""
        self._held_bytes = 0
