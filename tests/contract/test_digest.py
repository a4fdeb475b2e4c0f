# SPDX-License-Identifier: Apache-2.0
import shutil
import subprocess
from pathlib import Path

import pytest

from vcf_contract.digest import sha256_of


def test_the_hash_of_the_standards_example(tmp_path: Path) -> None:
    """The first example of FIPS 180-2, appendix B."""
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    assert sha256_of(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_sha256sum_agrees_on_a_file_longer_than_a_block(tmp_path: Path) -> None:
    tool = shutil.which("sha256sum")
    if tool is None:
        pytest.skip("sha256sum is not installed (coreutils)")
    path = tmp_path / "long"
    path.write_bytes(bytes(range(256)) * 9000)
    said = subprocess.run([tool, path], capture_output=True, text=True, check=True).stdout
    assert sha256_of(path) == said.split()[0]


def test_several_files_count_as_one_after_the_other(tmp_path: Path) -> None:
    first, second, joined = (tmp_path / name for name in ("a", "b", "ab"))
    first.write_bytes(b"weights of ")
    second.write_bytes(b"two files")
    joined.write_bytes(b"weights of two files")
    assert sha256_of(first, second) == sha256_of(joined) != sha256_of(second, first)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        sha256_of(tmp_path / "none")
