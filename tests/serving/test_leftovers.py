# SPDX-License-Identifier: Apache-2.0
"""A sweep removes what nobody holds any more, and nothing else."""

import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from vcf_server import leftovers

SHM = Path("/dev/shm")


@pytest.fixture
def belongings():
    made = leftovers.Belongings()
    (SHM / f"{made.shm_prefix}region").write_bytes(b"x")
    (made.folder / "file").touch()
    yield made
    made.remove()


def there(made):
    return [*SHM.glob(f"{made.shm_prefix}*"), *made.folder.parent.glob(made.folder.name)]


def test_what_is_in_use_stays(belongings):
    leftovers.sweep()
    assert len(there(belongings)) == 3


def test_what_a_child_still_holds_stays(belongings):
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(belongings.lock,))
    belongings.close()
    leftovers.sweep()
    assert len(there(belongings)) == 3
    child.kill()
    child.communicate()
    assert leftovers.sweep() >= 1
    assert there(belongings) == []


def test_remove_is_for_this_one_alone(belongings):
    other = leftovers.Belongings()
    other.remove()
    assert there(other) == [] and len(there(belongings)) == 3


def test_a_lock_that_names_another_folder_does_not_have_it_removed(tmp_path):
    """Whoever can write to /dev/shm could have put it there."""
    (tmp_path / "precious").touch()
    lock = SHM / f"vcf-{os.getpid()}-{secrets.token_hex(4)}-lock"
    lock.write_bytes(os.fsencode(tmp_path))
    try:
        leftovers.sweep()
        assert (tmp_path / "precious").exists()
    finally:
        lock.unlink(missing_ok=True)


def test_a_link_is_not_followed(tmp_path, belongings):
    belongings.close()
    link = SHM / f"vcf-{os.getpid()}-{secrets.token_hex(4)}-lock"
    target = tmp_path / "elsewhere"
    target.write_bytes(os.fsencode(belongings.folder))
    link.symlink_to(target)
    try:
        leftovers._removed(link)
        assert belongings.folder.exists()
    finally:
        link.unlink()
