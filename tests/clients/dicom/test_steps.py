# SPDX-License-Identifier: Apache-2.0
"""Files that keep a parser busy are given up in time, whatever pydicom makes of it."""

import io
import struct
from pathlib import Path

import pytest

from tests.clients.dicom import factory
from vcf_client.dicom.files import Source
from vcf_client.dicom.header import Damaged, HeaderReader
from vcf_client.dicom.steps import Steps
from vcf_client.reader import read_study
from vcf_contract.errors import Code, StudyRefused

PREAMBLE = bytes(128) + b"DICM"
EMPTY_ITEM = struct.pack("<HHL", 0xFFFE, 0xE000, 0)
SEQUENCE = struct.pack("<HH2sHL", 0x0008, 0x1115, b"SQ", 0, 0xFFFFFFFF)


def test_every_file_has_its_header_free_and_its_size_allows_for_more() -> None:
    steps = Steps(10)
    for _ in range(3):
        small = steps.counted(io.BytesIO(bytes(5000)), 0)
        for _ in range(1000):
            small.read(1)
    large = steps.counted(io.BytesIO(bytes(5000)), 2560)
    for _ in range(1000 + 10 + 10):
        large.read(1)
    with pytest.raises(StudyRefused, match="TOO_LARGE: the headers hold more elements"):
        large.read(1)
    with pytest.raises(StudyRefused):
        steps.check()


@pytest.mark.slow
def test_a_sequence_of_empty_items_is_too_large(tmp_path: Path) -> None:
    (tmp_path / "bomb.dcm").write_bytes(PREAMBLE + SEQUENCE + EMPTY_ITEM * 400_000)
    with pytest.raises(StudyRefused) as caught:
        read_study(tmp_path / "bomb.dcm")
    assert caught.value.code is Code.TOO_LARGE


def test_a_command_set_is_not_read() -> None:
    """pydicom would read on as long as there are zeros."""
    with pytest.raises(Damaged):
        HeaderReader().read(Source(data=PREAMBLE + bytes(1 << 20)))


def test_files_without_a_preamble_are_read_in_any_number(tmp_path: Path) -> None:
    """They take the slow way, all of them."""
    reader = HeaderReader()
    factory.write(tmp_path, factory.make_series(slices=26))
    contents = [path.read_bytes()[132:] for path in sorted(tmp_path.rglob("*.dcm"))]
    for _ in range(8):
        for content in contents:
            assert len(reader.read(Source(data=content))) == 1
