# SPDX-License-Identifier: Apache-2.0
"""Tell where connections wait until they have asked for an association: one thread for all, and nothing that they hold.

pynetdicom gives each connection two threads and a place among the associations as soon as it is there. A few dozen that
never say a word would keep everybody out. Here a connection becomes one of pynetdicom's when its whole A-ASSOCIATE-RQ
has come; it has little time for that, and when too many wait, the one that has waited longest goes.
"""

import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any

from pynetdicom.transport import ThreadedAssociationServer

from vcf_client.gateway.log import logger

ASKS_WITHIN_S = 10.0
MOST_WAITING = 256
MOST_REQUEST_BYTES = 1 << 16
"""An A-ASSOCIATE-RQ of 128 presentation contexts with all transfer syntaxes has 60,000 bytes."""
_HEADER = struct.Struct(">BBL")
"""Type, reserved, length of what follows (DICOM PS3.8 section 9.3.1)."""
_ASSOCIATE_REQUEST = 0x01
_VERSION_1 = 0x01
"""The bit that every peer sets (PS3.8 section 9.3.2)."""
_TURN_S = 0.25
_SAY_EVERY_S = 60.0
_MOST_SAID = 1000
_HANDSHAKE = 0x16
_RECORD = struct.Struct(">BHH")
"""Type, version, length of a TLS record (RFC 8446 section 5.1)."""
Enter = Callable[[socket.socket, Any], None]
Asked = Callable[[bytes], "bool | None"]
"""Whether what has come so far is a whole request; None if it never will be."""


def asks_for_association(come: bytes) -> bool | None:
    """Tell whether all of an A-ASSOCIATE-RQ has come."""
    if come[0] != _ASSOCIATE_REQUEST:
        return None
    if len(come) < _HEADER.size:
        return False
    length: int = _HEADER.unpack_from(come)[2]
    if length > MOST_REQUEST_BYTES or (len(come) >= _HEADER.size + 2 and not come[_HEADER.size + 1] & _VERSION_1):
        return None
    return len(come) >= _HEADER.size + length


def asks_for_encryption(come: bytes) -> bool | None:
    """Tell whether all of the first TLS record has come, with the ClientHello."""
    if come[0] != _HANDSHAKE:
        return None
    return len(come) >= _RECORD.size and len(come) >= _RECORD.size + int(_RECORD.unpack_from(come)[2])


class Lobby:
    """Connections that have not yet asked. ``enter`` gets those that have, in a thread of its own.

    Parameters
    ----------
    asked
        What they have to ask for.
    asks_within_s, most_waiting
        How long a connection may take, and how many may wait.
    """

    def __init__(
        self,
        enter: Enter,
        asked: Asked = asks_for_association,
        *,
        asks_within_s: float = ASKS_WITHIN_S,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        self._asked = asked
        self._enter, self._asks_within_s, self._most_waiting = enter, asks_within_s, most_waiting
        self._selector = selectors.DefaultSelector()
        self._lock = threading.Lock()
        self._until_s: dict[socket.socket, tuple[float, Any]] = {}  # in the order of arrival
        self._log = _Log()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="Lobby", daemon=True)
        self._thread.start()

    def admit(self, connection: socket.socket, address: Any) -> None:
        """Let a new connection wait, and the oldest one go if there are too many."""
        with self._lock:
            self._until_s[connection] = (time.monotonic() + self._asks_within_s, address)
            self._selector.register(connection, selectors.EVENT_READ)
            crowd = len(self._until_s) > self._most_waiting
            oldest = next(iter(self._until_s)) if crowd else None
        if oldest is not None:
            self._look(oldest)  # it may have asked by now
            self._dismiss(oldest, "asked for nothing, and too many wait")

    def close(self) -> None:
        """Close all that wait."""
        self._closed.set()
        self._thread.join(2 * _TURN_S + 5)
        for connection in list(self._until_s):
            self._dismiss(connection, "")
        self._selector.close()

    def _run(self) -> None:
        while not self._closed.is_set():
            ready = self._selector.select(_TURN_S)
            for key, _ in ready:
                self._look(key.fileobj)  # type: ignore[arg-type]
            now = time.monotonic()
            with self._lock:
                late = [connection for connection, (until_s, _) in self._until_s.items() if now > until_s]
            for connection in late:
                self._dismiss(connection, _what_was_late(connection))
            if ready and not late:
                time.sleep(0.01)  # a request that comes in pieces is readable all the while

    def _look(self, connection: socket.socket) -> None:
        """Tell what has come so far stays where it is, for pynetdicom to read."""
        try:
            come = connection.recv(_HEADER.size + MOST_REQUEST_BYTES, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            come = b""
        asked = self._asked(come) if come else None
        if asked is None:
            self._dismiss(connection, "was not understood: it asks for no association" if come else "")
        elif asked and (address := self._forget(connection)):
            threading.Thread(target=self._enter, args=(connection, address), daemon=True).start()

    def _forget(self, connection: socket.socket) -> Any:
        """Its address; None if it does not wait any more."""
        with self._lock:
            _, address = self._until_s.pop(connection, (0.0, None))
            if address is not None:
                self._selector.unregister(connection)
        return address

    def _dismiss(self, connection: socket.socket, why: str) -> None:
        address = self._forget(connection)
        if address is None:
            return
        if why:
            self._log.say(address[0], why)
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()


class _Log:
    """Lines about strangers, one a minute for each address and reason: a log can be filled, too."""

    def __init__(self, every_s: float = _SAY_EVERY_S) -> None:
        self._every_s = every_s
        self._said: dict[tuple[str, str], tuple[float, int]] = {}
        self._lock = threading.Lock()

    def say(self, address: str, why: str) -> None:
        """Write a line, with how often it was not written since the last one; or count it."""
        now = time.monotonic()
        with self._lock:
            last_s, unsaid = self._said.get((address, why), (-self._every_s, 0))
            due = now - last_s >= self._every_s
            self._said[address, why] = (now, 0) if due else (last_s, unsaid + 1)
            if len(self._said) > _MOST_SAID:
                self._said.pop(next(iter(self._said)))
        if due:
            more = f" (and {unsaid} more like it)" if unsaid else ""
            logger.warning("a request from %s %s%s", address, why, more)


def _what_was_late(connection: socket.socket) -> str:
    try:
        began = connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except OSError:
        began = b""
    return "was not understood: its end did not come in time" if began else "did not come in time"


class AssociationServer(ThreadedAssociationServer):  # type: ignore[misc]
    """pynetdicom's server behind a lobby. ``addresses`` are the only ones that may connect; None lets all in."""

    request_queue_size = 128

    def __init__(self, *words: Any, addresses: Collection[str] | None = None, **options: Any) -> None:
        self._addresses, self._log = addresses, _Log()
        super().__init__(*words, **options)
        self._lobby = Lobby(self._associate, asks_for_encryption if self.ssl_context else asks_for_association)

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection; encryption comes later, as its handshake waits for the peer."""
        connection: socket.socket
        connection, address = self.socket.accept()
        return connection, address

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Tell whether a connection may stay; of `socketserver`, which closes it otherwise."""
        if self._addresses is None or client_address[0] in self._addresses:
            return True
        self._log.say(client_address[0], "was closed at once: no caller has that address")
        return False

    def process_request(self, request: Any, client_address: Any) -> None:
        """Tell what `socketserver` does with a connection that may stay."""
        self._lobby.admit(request, client_address)

    def shutdown(self) -> None:
        """Stop listening, and close what waits."""
        super().shutdown()
        self._lobby.close()

    def _associate(self, request: socket.socket, client_address: Any) -> None:
        try:
            if self.ssl_context:
                request.settimeout(ASKS_WITHIN_S)
                request = self.ssl_context.wrap_socket(request, server_side=True)
                request.settimeout(None)
            self.finish_request(request, client_address)
        except Exception:  # as socketserver's threads do; the peer went in that moment
            self.shutdown_request(request)
