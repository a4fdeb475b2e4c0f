# SPDX-License-Identifier: Apache-2.0
"""Deflated files are unpacked within a limit."""

import io
import zlib

import pytest

from vcf_client.dicom.deflated import Inflater
from vcf_client.dicom.files import Source
from vcf_client.unpacking import Allowance
from vcf_contract.errors import StudyRefused

DICM = b"\0" * 128 + b"DICM"


def deflated(body: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    uid = b"1.2.840.10008.1.2.1.99"
    meta = b"\x02\x00\x10\x00UI" + len(uid).to_bytes(2, "little") + uid
    length = b"\x02\x00\x00\x00UL\x04\x00" + len(meta).to_bytes(4, "little")
    return DICM + length + meta + packer.compress(body) + packer.flush()


def test_deflated_file_is_unpacked_within_the_limit() -> None:
    source = Source(data=deflated(b"body" * 1000))
    with source.open() as file:
        plain = Inflater().plain(file)
    assert plain and plain.data.endswith(b"body" * 1000) and b"1.2.840.10008.1.2.1\0\0\0" in plain.data
    for inflater in (Inflater(Allowance(3999)), Inflater(file_bytes=3999)):
        with source.open() as file, pytest.raises(StudyRefused, match="TOO_LARGE"):
            inflater.plain(file)


def test_limit_counts_all_deflated_files() -> None:
    inflater = Inflater(Allowance(10_000))
    source = Source(data=deflated(bytes(4000)))
    for _ in range(2):
        with source.open() as file:
            assert inflater.plain(file)
    with source.open() as file, pytest.raises(StudyRefused, match="TOO_LARGE"):
        inflater.plain(file)


def test_other_files_are_left_alone() -> None:
    with io.BytesIO(DICM + b"rest") as file:
        assert Inflater().plain(file) is None
        assert file.tell() == 0
