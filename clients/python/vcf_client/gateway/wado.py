# SPDX-License-Identifier: Apache-2.0
"""WADO-RS: DICOM files as the service holds them, none that broke off on the way (PS3.18 section 10.4, RFC 2046)."""

import re
from collections.abc import Iterable, Iterator
from email.message import Message

from requests import Session

_ANY_SYNTAX = 'multipart/related; type="application/dicom"; transfer-syntax=*'
"""Asks for images as the service has them; it may otherwise decompress every one for us."""
_CHUNK_BYTES = 1 << 18
_LENGTH = re.compile(rb"^content-length:\s*(\d+)\s*$", re.IGNORECASE | re.MULTILINE)


class BrokenAnswer(Exception):
    """An answer that ends before its end, or is no multipart message."""


def retrieve(session: Session, url: str, timeout_s: float) -> Iterator[bytes]:
    """Files of a study, a series or one instance, one by one as they arrive.

    Raises
    ------
    requests.RequestException
        If there is no answer, or it is an error.
    BrokenAnswer
        If the answer breaks off; files that came before are whole.
    """
    with session.get(url, headers={"Accept": _ANY_SYNTAX}, timeout=timeout_s, stream=True) as response:
        response.raise_for_status()
        if response.status_code == 204:
            return
        kind = response.headers.get("Content-Type", "")
        if kind.lower().startswith("application/dicom") and "json" not in kind and "xml" not in kind:
            yield response.content  # a single file without the wrapping, as some services answer
            return
        header = Message()
        header["Content-Type"] = kind
        boundary = header.get_boundary()
        if not boundary:
            raise BrokenAnswer("no multipart message")
        yield from parts(response.iter_content(_CHUNK_BYTES), boundary.encode())


def parts(chunks: Iterable[bytes], boundary: bytes) -> Iterator[bytes]:
    """Contents of the parts of a multipart message; each only once the delimiter behind it has come."""
    delimiter = b"\r\n--" + boundary
    message, searched, begun = bytearray(b"\r\n"), 0, False  # the first delimiter may stand at the very beginning
    for chunk in chunks:
        message += chunk
        while (at := message.find(delimiter, searched)) >= 0 and len(message) >= at + len(delimiter) + 2:
            if begun:
                yield _content(bytes(message[:at]))
            behind = message[at + len(delimiter) : at + len(delimiter) + 2]
            del message[: at + len(delimiter)]
            searched, begun = 0, True
            if behind == b"--":
                return
        searched = max(0, len(message) - len(delimiter) - 1)
    raise BrokenAnswer("the message has no end")


def _content(part: bytes) -> bytes:
    head, blank, content = part.partition(b"\r\n\r\n")
    length = _LENGTH.search(head.replace(b"\r\n", b"\n"))
    if not blank or (length and int(length[1]) != len(content)):
        raise BrokenAnswer("a part is not as long as it says")
    return content
