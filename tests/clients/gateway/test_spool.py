# SPDX-License-Identifier: Apache-2.0
import errno
import os
from pathlib import Path

import pytest

from vcf_client.gateway.spool import Spool, SpoolFull
from vcf_contract.errors import SetupError


def spool(folder: Path, max_bytes: int = 1000) -> Spool:
    return Spool(folder, max_bytes=max_bytes, keep_free_bytes=0)


def test_what_is_put_is_there_and_counted(tmp_path: Path) -> None:
    one = spool(tmp_path)
    one.put_image("s", "a", b"x" * 100)
    one.put_image("s", "a", b"y" * 60)
    one.put_result("r", b"z" * 5)
    assert one.images("s") == {"a"} and one.studies() == {"s"} and one.results() == {"r"}
    assert (one.study_folder("s") / "a.dcm").read_bytes() == b"y" * 60
    assert one.used_bytes == 65
    one.close()
    assert spool(tmp_path).used_bytes == 65


def test_the_bound_holds_for_images_but_not_for_results(tmp_path: Path) -> None:
    one = spool(tmp_path, max_bytes=100)
    one.put_image("s", "a", b"x" * 80)
    with pytest.raises(SpoolFull, match="80 of 100"):
        one.put_image("s", "b", b"x" * 21)
    assert one.images("s") == {"a"} and one.used_bytes == 80
    one.put_result("r", b"x" * 50)
    one.drop_result("r")
    one.drop_study("s")
    assert one.used_bytes == 0 and one.studies() == set()


def test_room_is_left_on_the_disk(tmp_path: Path) -> None:
    one = Spool(tmp_path, max_bytes=10**9, keep_free_bytes=10**18)
    with pytest.raises(SpoolFull):
        one.put_image("s", "a", b"x")


def test_a_disk_that_fails_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = spool(tmp_path)

    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="no space"):
        one.put_image("s", "a", b"x" * 10)
    assert one.used_bytes == 0
    assert one.images("s") == set() and not list((tmp_path / "drafts").iterdir())


def test_what_a_crash_left_half_written_is_removed(tmp_path: Path) -> None:
    spool(tmp_path).close()
    (tmp_path / "drafts" / "7").write_bytes(b"half")
    one = spool(tmp_path)
    assert one.used_bytes == 0 and not list((tmp_path / "drafts").iterdir())


def test_one_process_at_a_time(tmp_path: Path) -> None:
    one = spool(tmp_path)
    with pytest.raises(SetupError, match="another gateway"):
        spool(tmp_path)
    one.close()
    spool(tmp_path)
