# SPDX-License-Identifier: Apache-2.0
"""AE titles byte by byte, as a function and in association requests over the wire."""

import io
import logging
import socket
import struct
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.clients.gateway.conftest import wait_for
from tests.clients.gateway.fake_analyzer import FakeAnalyzer
from vcf_client.gateway import log
from vcf_client.gateway.config import Caller, Config
from vcf_client.gateway.service import Gateway
from vcf_client.gateway.settings import is_ae_title
from vcf_client.gateway.titles import CALLED_NOT_RECOGNISED, CALLING_NOT_RECOGNISED, Request, Rules, normalised

ACCEPTED, REJECTED, ABORTED = 0x02, 0x03, 0x07
VERIFICATION, IMPLICIT = b"1.2.840.10008.1.1", b"1.2.840.10008.1.2"


def item(kind: int, content: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(content)) + content


def associate_request(called: bytes, calling: bytes, abstract: bytes = VERIFICATION, syntax: bytes = IMPLICIT) -> bytes:
    """An A-ASSOCIATE-RQ (DICOM PS3.8 section 9.3.2), titles as they are given."""
    context = item(0x20, b"\x01\0\0\0" + item(0x30, abstract) + item(0x40, syntax))
    user = item(0x50, item(0x51, struct.pack(">I", 16384)) + item(0x52, b"1.2.3.4"))
    body = struct.pack(">HH", 1, 0) + called + calling + bytes(32) + item(0x10, b"1.2.840.10008.3.1.1.1")
    return struct.pack(">BBI", 1, 0, len(body + context + user)) + body + context + user


def ask(port: int, request: bytes) -> tuple[int, int]:
    """Kind of the answer to a request, and the reason of a rejection."""
    with socket.create_connection(("127.0.0.1", port), 10) as peer:
        peer.settimeout(10)
        peer.sendall(request)
        answer = peer.recv(4096)
    return (answer[0], answer[9]) if answer[:1] == bytes([REJECTED]) else (answer[0] if answer else 0, 0)


@pytest.fixture
def said() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    log.logger.addHandler(handler)
    level = log.logger.level
    log.logger.setLevel(logging.INFO)
    yield stream
    log.logger.removeHandler(handler)
    log.logger.setLevel(level)


@pytest.mark.parametrize("fill", [b" ", b"\0", b" \0", b"\0 ", b"\0garbage"])
@pytest.mark.parametrize("title", ["VCF", "A", "MY PACS", "ABCDEFGHIJKLMNOP"])
def test_padding_is_no_part_of_a_title(title: str, fill: bytes) -> None:
    assert normalised((title.encode() + fill * 16)[:16]) == title


@pytest.mark.parametrize(
    ("raw", "title"),
    [
        (b"  VCF" + b" " * 11, "VCF"),
        (bytes(16), ""),
        (b" " * 16, ""),
        ("MÜLLER".encode("latin-1").ljust(16), "M?LLER"),
        ("MÜLLER".encode().ljust(16), "M??LLER"),
        (b"A\\B".ljust(16), "A?B"),
        (b"A\tB\n".ljust(16), "A?B"),
    ],
)
def test_other_forms(raw: bytes, title: str) -> None:
    assert normalised(raw) == title


def test_every_byte_gives_a_title_that_pynetdicom_takes_or_none() -> None:
    for byte in range(256):
        title = normalised(bytes([byte]).ljust(16))
        assert title == "" or is_ae_title(title)
        assert is_ae_title(normalised(b"A" + bytes([byte]) + b"B" * 14))


def test_who_is_rejected() -> None:
    own, callers = "VCF", (Caller("CT1"), Caller("M?LLER"))
    known = Rules(own, callers)
    assert known.objection(Request(called="X", calling="CT1")) is None
    assert known.objection(Request(called="X", calling="M?LLER")) is None
    for calling in ("", "CT2", "ct1"):
        objection = known.objection(Request(called="VCF", calling=calling))
        assert objection is not None and objection[0] == CALLING_NOT_RECOGNISED
    assert replace(known, ignore_case=True).objection(Request(called="VCF", calling="ct1")) is None
    for called in ("", "X", "vcf"):
        objection = replace(known, any_called=False).objection(Request(called=called, calling="CT1"))
        assert objection is not None and objection[0] == CALLED_NOT_RECOGNISED
    assert replace(known, any_called=False, ignore_case=True).objection(Request(called="vcf", calling="CT1")) is None


def test_over_the_wire(config: Config, said: io.StringIO) -> None:
    plain, called = b"MODALITY".ljust(16), b"VCF".ljust(16)
    odd = [b"CT\0".ljust(16, b"\0"), b"CT\0".ljust(16), "MÜLLER".encode("latin-1").ljust(16), "MÜ".encode().ljust(16)]
    odd += [b"A\\B".ljust(16), b"CT".ljust(15) + b"\x01"]
    with Gateway(config, FakeAnalyzer()):
        for good in (plain, b"  CT".ljust(16), b"ABCDEFGHIJKLMNOP", b"ct".ljust(16)):
            assert ask(config.port, associate_request(called, good)) == (ACCEPTED, 0)
        assert said.getvalue().count("association") == 0, "what is usual is not worth a line"
        for number, title in enumerate(odd, 1):
            assert ask(config.port, associate_request(called, title)) == (ACCEPTED, 0)
            assert said.getvalue().count("no plain ASCII") == number
        assert ask(config.port, associate_request(b"VCF".ljust(16, b"\0"), plain)) == (ACCEPTED, 0)
        for blank in (b" " * 16, bytes(16)):
            assert ask(config.port, associate_request(called, blank)) == (REJECTED, CALLING_NOT_RECOGNISED)
            assert ask(config.port, associate_request(blank, plain)) == (REJECTED, CALLED_NOT_RECOGNISED)
        assert said.getvalue().count("rejected: its calling AE title is blank") == 2
        assert said.getvalue().count("rejected: its called AE title is blank") == 2
    assert "127.0.0.1" in said.getvalue() and "LLER" not in said.getvalue()


def test_titles_are_compared_after_normalising(config: Config, said: io.StringIO) -> None:
    rules = replace(config, callers=(Caller("CT1"),), any_called_title=False)
    with Gateway(rules, FakeAnalyzer()):
        padded = b"CT1".ljust(16, b"\0")
        assert ask(config.port, associate_request(b"VCF".ljust(16, b"\0"), padded)) == (ACCEPTED, 0)
        assert ask(config.port, associate_request(b"OTHER".ljust(16), padded)) == (REJECTED, CALLED_NOT_RECOGNISED)
        assert ask(config.port, associate_request(b"VCF".ljust(16), b"ct1".ljust(16)))[0] == REJECTED
        assert "not this gateway's" in said.getvalue() and "not among the callers" in said.getvalue()
    with Gateway(replace(rules, ignore_case=True), FakeAnalyzer()):
        assert ask(config.port, associate_request(b"vcf".ljust(16), b"ct1".ljust(16))) == (ACCEPTED, 0)


@pytest.mark.parametrize(
    "request_bytes", [b"GET / HTTP/1.1\r\n\r\n", b"\x01\0\0\0\0\x06abcdef", b"\x01\0\0\0\x01\0abc", b"\x04\0\0\0\0\0"]
)
def test_what_is_no_request_has_a_line_and_does_no_harm(
    config: Config, said: io.StringIO, request_bytes: bytes
) -> None:
    with Gateway(config, FakeAnalyzer()):
        with socket.create_connection(("127.0.0.1", config.port), 10) as peer:
            peer.sendall(request_bytes)
        wait_for(lambda: "was not understood" in said.getvalue(), 60)
        assert ask(config.port, associate_request(b"VCF".ljust(16), b"CT".ljust(16))) == (ACCEPTED, 0)


def test_contexts_of_which_none_is_accepted_have_a_line(config: Config, said: io.StringIO) -> None:
    with Gateway(config, FakeAnalyzer()):
        ask(config.port, associate_request(b"VCF".ljust(16), b"CT".ljust(16), abstract=b"1.2.840.10008.5.1.4.1.2.1.1"))
        wait_for(lambda: "no presentation context accepted" in said.getvalue(), 30)
