# SPDX-License-Identifier: Apache-2.0
"""Multipart messages cut into chunks anywhere, and off anywhere; the standard library's parser is the judge."""

import random
from email.parser import BytesParser

import pytest

from vcf_client.gateway.wado import BrokenAnswer, parts

FILES = [b"", b"\r\n", b"--", b"a\r\n--", b"\r\n--b", b"\r\n\r\n--bounda", bytes(range(256)) * 20, b"DICM" * 999]


def message(files: list[bytes], boundary: str = "boundary", head: str = "Content-Type: application/dicom\r\n") -> bytes:
    body = b"".join(f"--{boundary}\r\n{head}\r\n".encode() + file + b"\r\n" for file in files)
    return body + f"--{boundary}--\r\n".encode()


def cut(content: bytes, size: int) -> list[bytes]:
    return [content[at : at + size] for at in range(0, len(content), size)]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 11, 64, 4096, 10**6])
@pytest.mark.parametrize("before", [b"", b"\r\n", b"a preamble\r\n"])
def test_chunks_of_any_size(size: int, before: bytes) -> None:
    assert list(parts(cut(before + message(FILES), size), b"boundary")) == FILES
    assert list(parts(cut(before + message(FILES) + b"an epilogue", size), b"boundary")) == FILES


@pytest.mark.parametrize("head", ["", "content-type: application/dicom\r\nContent-Location: x\r\n"])
def test_headers_of_parts(head: str) -> None:
    assert list(parts([message(FILES, head=head)], b"boundary")) == FILES


def test_the_standard_librarys_parser_agrees() -> None:
    chance = random.Random(1)
    for _ in range(50):
        files = [chance.randbytes(chance.randrange(2000)) for _ in range(chance.randrange(1, 6))]
        body = message(files, head="Content-Type: application/dicom\r\nContent-Transfer-Encoding: binary\r\n")
        judged = BytesParser().parsebytes(b'Content-Type: multipart/related; boundary="boundary"\r\n\r\n' + body)
        ours = list(parts(cut(body, chance.randrange(1, 3000)), b"boundary"))
        assert ours == files and len(judged.get_payload()) == len(files)


def test_every_message_that_is_cut_off_is_noticed_and_no_part_is_given_in_part() -> None:
    whole = message(FILES[:6])
    for length in range(len(whole) - 2):
        got = []
        with pytest.raises(BrokenAnswer):
            for content in parts([whole[:length]], b"boundary"):
                got.append(content)  # noqa: PERF402 - what came before the error counts
        assert got == FILES[: len(got)]


def test_a_part_that_is_not_as_long_as_it_says() -> None:
    head = "Content-Length: 5\r\n"
    assert list(parts([message([b"12345"], head=head)], b"boundary")) == [b"12345"]
    for content in (b"1234", b"123456", b""):
        with pytest.raises(BrokenAnswer):
            list(parts([message([content], head=head)], b"boundary"))
