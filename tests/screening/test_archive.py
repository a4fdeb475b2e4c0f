# SPDX-License-Identifier: Apache-2.0
import stat
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vcf_client.dicom.privacy import HASH_KEY_VARIABLE
from vcf_contract.errors import SetupError
from vcf_screening import manifest
from vcf_screening.archive import Archive, chosen, to_do
from vcf_screening.dataset import packed
from vcf_screening.manifest import Entry


@pytest.fixture(autouse=True)
def no_key_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(HASH_KEY_VARIABLE, raising=False)


def test_what_is_to_be_done_against_sets() -> None:
    names = [f"{number:030x}00" for number in (5, 3, 5, 9, 3, 7)]
    wanted = to_do(packed(names), np.sort(packed(names[3:4])))
    entries = [Entry(str(number), "/") for number in range(6)]
    found = list(chosen(entries, packed(names), wanted))
    assert found == [(names[0], entries[0]), (names[1], entries[1]), (names[5], entries[5])]


def test_the_key_file_joins_names_to_ids_and_is_its_owners(tmp_path: Path) -> None:
    archive, entries = Archive(tmp_path / "out"), [Entry(f"1.2.{number}", "/nowhere") for number in range(5000)]
    manifest.write(entries, archive.manifest)
    names = archive.write_ids(archive.manifest)
    assert (names == packed([archive.name(entry) for entry in entries])).all()
    joined = pd.read_parquet(tmp_path / "out" / "private" / "ids.parquet")
    assert list(joined["id"]) == [entry.id for entry in entries]
    assert list(joined["study"]) == [archive.name(entry) for entry in entries]
    for path in (archive.private, archive.private / "ids.parquet", archive.private / "hash.key"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


def test_names_stay_with_the_folder_and_differ_from_anothers(tmp_path: Path) -> None:
    entry = Entry("1.2.3", "/nowhere")
    assert Archive(tmp_path / "a").name(entry) == Archive(tmp_path / "a").name(entry)
    assert Archive(tmp_path / "a").name(entry) != Archive(tmp_path / "b").name(entry)


def test_a_folder_of_another_key_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Archive(tmp_path)
    monkeypatch.setenv(HASH_KEY_VARIABLE, "another")
    with pytest.raises(SetupError, match="another key"):
        Archive(tmp_path)


def test_a_picture_is_there_whole(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.keep_picture("ab", "0123456789", b"PNG")
    assert archive.picture("ab", "0123456789").read_bytes() == b"PNG"
    assert [path.name for path in (tmp_path / "pictures").iterdir()] == ["ab-01234567.png"]
