# SPDX-License-Identifier: Apache-2.0
"""Shared memory that leaves nothing behind."""

import gc
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vcf_client import region
from vcf_client.region import Region, copy_into, is_loopback


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(region, "FOLDER", tmp_path)
    return tmp_path


def test_holds_the_array_for_this_user_alone(folder):
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)[:, ::-1]
    made = Region(50)
    copy_into(made, array)
    (path,) = folder.iterdir()
    assert path.name == made.name and made.nbytes == 50
    assert path.read_bytes() == array.tobytes() + b"\0\0"
    assert path.stat().st_mode & 0o777 == 0o600
    copy_into(made, array[:1])  # the next one, which is shorter
    assert path.read_bytes()[:24] == array[:1].tobytes()


def test_an_array_that_is_too_large_is_an_error(folder):
    with pytest.raises(ValueError):
        copy_into(Region(46), np.zeros(24, np.int16))


def test_names_cannot_be_guessed(folder):
    names = {Region(8).name for _ in range(50)}
    assert len(names) == 50
    assert all(len(name.rpartition("-")[2]) == 32 for name in names)  # 128 random bits


def test_name_goes_when_told_and_only_once(folder):
    made = Region(8)
    made.forget_name()
    assert list(folder.iterdir()) == []
    (folder / made.name).touch()  # somebody else's by now
    made.forget_name()
    assert (folder / made.name).exists()


def test_name_goes_with_the_object(folder):
    made = Region(8)
    del made
    gc.collect()
    assert list(folder.iterdir()) == []


def test_name_goes_with_the_interpreter(tmp_path):
    code = (
        "import sys; from pathlib import Path; from vcf_client import region; "
        "region.FOLDER = Path(sys.argv[1]); kept = region.Region(8); "
        "assert list(region.FOLDER.iterdir()); raise RuntimeError"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=300)
    assert "RuntimeError" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_too_little_memory_is_an_error_and_no_signal(folder, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left"):
        Region(8)
    assert list(folder.iterdir()) == []


def test_system_without_shared_memory_is_an_error(monkeypatch):
    monkeypatch.setattr(region, "FOLDER", Path("/nowhere"))
    with pytest.raises(OSError):
        Region(8)


@pytest.mark.parametrize(
    "address", ["127.0.0.1:8001", "localhost:8001", "[::1]:8001", "127.9.9.9:1", "unix:/run/triton"]
)
def test_own_addresses(address):
    assert is_loopback(address)


@pytest.mark.parametrize(
    "address", ["192.0.2.1:8001", "triton:8001", "localhost.example:8001", "[2001:db8::1]:8001", ""]
)
def test_addresses_elsewhere(address):
    assert not is_loopback(address)
