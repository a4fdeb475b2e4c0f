# SPDX-License-Identifier: Apache-2.0
"""Inputs that weigh little and would cost much: what each takes until it is refused."""

import gzip
import io
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pydicom
from nibabel.nifti1 import Nifti1Header
from openjpeg.utils import encode_array
from pydicom.encaps import encapsulate
from pydicom.uid import UID, JPEG2000Lossless

from vcf_benchmarks.drills.apart import HANG, STUDY, TRACEBACK, read_apart
from vcf_benchmarks.drills.figures import Line
from vcf_benchmarks.harness.studies import demo_series
from vcf_client.acceptance import MAX_VOLUME_BYTES

MOST_CPU_S = 2.0
_MIB = 1 << 20
_PREAMBLE = bytes(128) + b"DICM"


def run() -> list[Line]:
    """Read each bomb in a process of its own; its cost is that beyond reading nothing."""
    lines = []
    with tempfile.TemporaryDirectory(prefix="vcf-drills-") as made:
        nothing = read_apart(Path(made) / "nothing")
        for number, (name, (make, before)) in enumerate(BOMBS.items()):
            folder = Path(made) / str(number)
            folder.mkdir()
            path = make(folder)
            cost = read_apart(path)
            weight = sum(file.stat().st_size for file in ([path] if path.is_file() else path.iterdir()))
            what = f"{name} of {weight / _MIB:.1f} MiB ({cost.outcome})"
            seconds = max(0.0, cost.cpu_s - nothing.cpu_s)
            lines += [
                Line("bombs", f"{what}: processor time", round(seconds, 2), MOST_CPU_S, "s", before),
                Line("bombs", f"{what}: peak memory", cost.peak_bytes >> 20, 3 * MAX_VOLUME_BYTES >> 20, "MiB"),
            ]
            if cost.outcome in (STUDY, TRACEBACK, HANG):
                lines.append(Line("bombs", f"{name} ended in {cost.outcome}", 1, goal=0))
    return lines


def _deflated(folder: Path) -> Path:
    uid = b"1.2.840.10008.1.2.1.99"
    meta = b"\x02\x00\x10\x00UI" + struct.pack("<H", len(uid)) + uid
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    with (folder / "bomb.dcm").open("wb") as file:
        file.write(_PREAMBLE + b"\x02\x00\x00\x00UL\x04\x00" + struct.pack("<I", len(meta)) + meta)
        for _ in range(96):
            file.write(packer.compress(bytes(16 * _MIB)))
        file.write(packer.flush())
    return folder / "bomb.dcm"


def _overlapping(folder: Path) -> Path:
    """One member, listed ten thousand times."""
    path = folder / "bomb.zip"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0.dcm", _PREAMBLE + bytes(16 * _MIB))
    content = packed.getvalue()
    start, end = content.index(b"PK\x01\x02"), content.index(b"PK\x05\x06")
    _directory(path, content[:start], [content[start:end]] * 10_000)
    return path


def _million_names(folder: Path) -> Path:
    path = folder / "bomb.zip"
    entry = struct.pack("<4s4B4HL2L5H2L", b"PK\x01\x02", 20, 0, 20, 0, *[0] * 4, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0)
    _directory(path, b"PK\x03\x04" + bytes(26), (entry + b"%08d" % number for number in range(1_000_000)))
    return path


def _directory(path: Path, content: bytes, entries: Iterable[bytes]) -> None:
    directory = b"".join(entries)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, len(directory), len(content), 0)
    path.write_bytes(content + directory + end)


def _nifti(folder: Path) -> Path:
    """Header of a float64 volume that would just be accepted as int16, and a hundredth of its zeros."""
    header = Nifti1Header()
    header.set_data_dtype(np.float64)
    header.set_data_shape((1024, 1024, 1000))
    header["pixdim"][1:4] = 0.5
    header.set_sform(np.diag([0.5, 0.5, 0.5, 1]), code=1)
    header["magic"], header["vox_offset"] = b"n+1", 352
    with gzip.open(folder / "bomb.nii.gz", "wb", compresslevel=1) as file:
        file.write(header.binaryblock + bytes(4))
        for _ in range(5):
            file.write(bytes(16 * _MIB))
    return folder / "bomb.nii.gz"


def _jpeg_2000(folder: Path) -> Path:
    """Sixty slices of 4096 × 4096 from a few hundred bytes each."""
    stream = bytes(encode_array(np.zeros((4096, 4096), np.uint16)))
    source = next(iter(sorted(demo_series().glob("*.dcm"))))
    for number in range(60):
        image = pydicom.dcmread(source)
        image.file_meta.TransferSyntaxUID = JPEG2000Lossless
        image.Rows = image.Columns = 4096
        image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 15, 0
        image.InstanceNumber = number + 1
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = UID(f"1.2.3.{number}")
        image.ImagePositionPatient = [-200, -200, 2.5 * number]
        image.PixelData = encapsulate([stream])
        image["PixelData"].is_undefined_length = True
        image.save_as(folder / f"{number}.dcm", enforce_file_format=True)
    return folder


def _zeros(folder: Path) -> Path:
    (folder / "bomb.dcm").write_bytes(_PREAMBLE + bytes(64 * _MIB))
    return folder / "bomb.dcm"


def _empty_items(folder: Path) -> Path:
    sequence = struct.pack("<HH2sHL", 0x0008, 0x1115, b"SQ", 0, 0xFFFFFFFF)
    item = struct.pack("<HHL", 0xFFFE, 0xE000, 0)
    (folder / "bomb.dcm").write_bytes(_PREAMBLE + sequence + item * (8 * _MIB))
    return folder / "bomb.dcm"


BOMBS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "deflated DICOM": (_deflated, "3 MB took 7.3 GB"),
    "zip of overlapping members": (_overlapping, "unpacked"),
    "zip of a million names": (_million_names, "listed"),
    ".nii.gz of float64": (_nifti, "9.8 GB"),
    "JPEG 2000 slices of 4096 × 4096": (_jpeg_2000, "21 s from 4 KB"),
    "zeros behind DICM": (_zeros, "0.4 s a MB"),
    "empty items of a sequence": (_empty_items, ""),
}
