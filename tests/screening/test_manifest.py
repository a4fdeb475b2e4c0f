# SPDX-License-Identifier: Apache-2.0
import stat
from pathlib import Path

import pytest

from vcf_contract.errors import SetupError
from vcf_screening import manifest
from vcf_screening.manifest import Entry

ENTRIES = [Entry("1.2.3", "/archive/a", 7), Entry("id, with comma", "/archive/b\n/archive/c", 0)]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "list.parquet"
    assert manifest.write(ENTRIES, path) == 2
    assert list(manifest.read(path)) == ENTRIES
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["list.parquet"]


def test_a_list_that_fails_on_the_way_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "list.parquet"
    manifest.write(ENTRIES, path)

    def broken():  # type: ignore[no-untyped-def]
        yield ENTRIES[0]
        raise OSError

    with pytest.raises(OSError):
        manifest.write(broken(), path)
    assert list(manifest.read(path)) == ENTRIES


def test_csv_in_any_order_of_columns_and_numbers_as_texts(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("location,ward,id\n/archive/a,3,0012\n/archive/b,4,13\n")
    assert [(entry.id, entry.location) for entry in manifest.read(path)] == [
        ("0012", "/archive/a"),
        ("13", "/archive/b"),
    ]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", "id,place\n1,2\n", "no column location"),
        ("a.csv", "id,location\n1,/a\n2,\n", "row 2 of the manifest lacks"),
        ("a.csv", "", "cannot be read as csv"),
        ("a.parquet", "no parquet", "cannot be read as parquet"),
    ],
)
def test_a_bad_list_is_refused_without_its_content(tmp_path: Path, name: str, content: str, says: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(SetupError, match=says):
        list(manifest.read(path))
