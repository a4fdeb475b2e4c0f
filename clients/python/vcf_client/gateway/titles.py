# SPDX-License-Identifier: Apache-2.0
"""AE titles as devices send them: read leniently, and judged before an association is accepted.

A title has 16 bytes of ASCII, padded with blanks (DICOM PS3.8 table 9-11). Devices pad with NUL, leave the rest of a
buffer behind it, or write letters of another character set; pynetdicom aborts such associations without a word.
"""

from dataclasses import dataclass
from typing import Any

from vcf_client.gateway.config import Caller

_ASSOCIATE_REQUEST = 0x01
_HEADER_BYTES = 6
_CALLED, _CALLING = slice(4, 20), slice(20, 36)
"""Where the titles lie behind the header of an A-ASSOCIATE-RQ (PS3.8 table 9-11)."""
_STAND_IN = b"?".ljust(16)
"""Stands in for a blank title, which pynetdicom does not read: so the peer gets a rejection rather than an abort."""
CALLING_NOT_RECOGNISED, CALLED_NOT_RECOGNISED = 0x03, 0x07
"""Reasons of an A-ASSOCIATE-RJ whose source is the service user (PS3.8 table 9-21)."""


def normalised(raw: bytes) -> str:
    """A title without padding and what lies behind a NUL; ``?`` for each byte that no title may hold."""
    text = raw.strip(b" \0").partition(b"\0")[0].strip()
    return "".join(chr(byte) if 0x20 <= byte < 0x7F and byte != 0x5C else "?" for byte in text)


@dataclass
class Request:
    """Tell what a peer has asked for.

    called, calling
        Its AE titles, normalised; None before they are read.
    odd
        Whether they came in another form than the standard's.
    """

    spoke: bool = False
    called: str | None = None
    calling: str | None = None
    odd: bool = False

    def read(self, body: bytearray) -> None:
        """Take the titles from an A-ASSOCIATE-RQ, and write them back in the standard's form."""
        raw = bytes(body[_CALLED]), bytes(body[_CALLING])
        self.called, self.calling = map(normalised, raw)
        for place, title, before in zip((_CALLED, _CALLING), (self.called, self.calling), raw, strict=True):
            self.odd |= title.encode() != before.strip(b" ")
            body[place] = title.encode().ljust(16) if title else _STAND_IN


@dataclass(frozen=True)
class Rules:
    """Whose associations are accepted.

    own
        AE title of the gateway.
    any_called
        Whether a peer may call it otherwise.
    """

    own: str
    callers: tuple[Caller, ...] = ()
    any_called: bool = True
    ignore_case: bool = False

    def objection(self, request: Request) -> tuple[int, str] | None:
        """Why an association is rejected: the standard's reason, and words for the log; None if it is not."""
        if not request.calling:
            return CALLING_NOT_RECOGNISED, "its calling AE title is blank"
        if not request.called:
            return CALLED_NOT_RECOGNISED, "its called AE title is blank"
        if not self.any_called and not self._same(request.called, self.own):
            return CALLED_NOT_RECOGNISED, "its called AE title is not this gateway's"
        if self.callers and not any(self._same(request.calling, caller.ae_title) for caller in self.callers):
            return CALLING_NOT_RECOGNISED, "its calling AE title is not among the callers"
        return None

    def is_welcome(self, ae_title: str, address: str) -> bool:
        """Tell whether a caller may send from an address; anybody may where no callers are named."""
        return not self.callers or any(
            self._same(ae_title.strip(), caller.ae_title) and caller.address in ("", address) for caller in self.callers
        )

    def _same(self, one: str, other: str) -> bool:
        return one == other or (self.ignore_case and one.lower() == other.lower())


def watch(association: Any) -> Request:
    """Tell what the peer of a new pynetdicom association asks for, as soon as it has asked; call it when it
    connects."""
    request = Request()
    connection = association.dul.socket
    receive = connection.recv

    def body(nbytes: int) -> bytearray:
        connection.recv = receive  # as it was, from here on
        content: bytearray = receive(nbytes)
        if len(content) >= _CALLING.stop:
            request.read(content)
        return content

    def header(nbytes: int) -> bytearray:
        content: bytearray = receive(nbytes)
        request.spoke = bool(content)
        if len(content) == _HEADER_BYTES and content[0] == _ASSOCIATE_REQUEST:
            connection.recv = body
        else:
            connection.recv = receive
        return content

    connection.recv = header
    return request
