# SPDX-License-Identifier: Apache-2.0
"""Random damage to files of a study, and what the reader makes of it.

``python -m tests.clients.damage --runs 10000`` prints how often each outcome came of each form, and every case that
must not be. ``test_damage.py`` runs a sample of the same.

A form with a checksum (gzip, ZIP) is refused or gives exactly the undamaged voxels. Files without one hold pixels that
nobody can tell from others: those are counted as unseen. Damage of a header must not be among them.
"""

import argparse
import io
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from tests.clients.dicom import factory
from vcf_client.reader import read_files, read_study
from vcf_client.study import Study
from vcf_contract.errors import StudyRefused

REFUSED, UNHARMED, FLAGGED, UNSEEN, WRONG = "refused", "unharmed", "flagged", "unseen pixels", "WRONG"
OUTCOMES = (REFUSED, UNHARMED, FLAGGED, UNSEEN, WRONG)
_RAS_OF_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_SAME_PLACE_MM = 0.02


@dataclass
class Form:
    """A study in one form: files, how they are read, and whether checksums cover all of it.

    headers
        Where the pixel data of each file begin.
    """

    name: str
    files: list[bytes]
    read: Callable[[list[bytes]], Study]
    checksum: bool
    headers: list[int]


@dataclass
class Damage:
    """What was done to which bytes of one file."""

    kind: str
    file: int
    touched: list[tuple[int, int]]

    def within_header(self, form: Form) -> bool:
        """Whether no byte of the pixels was touched."""
        return all(stop <= form.headers[self.file] for _, stop in self.touched)


def forms(scratch: Path) -> list[Form]:
    """One small study in all forms."""
    made = []
    plain = as_files(_series())
    made.append(Form("plain .dcm", plain, _read_files, False, [_pixels_at(data) for data in plain]))
    for name, syntax in (("JPEG-LS", JPEGLSLossless), ("JPEG 2000", JPEG2000Lossless), ("RLE", RLELossless)):
        files = as_files(_compressed(_series(), syntax))
        made.append(Form(f"{name} .dcm", files, _read_files, False, [_pixels_at(data) for data in files]))
    for name, kind in (("stored .zip", zipfile.ZIP_STORED), ("deflated .zip", zipfile.ZIP_DEFLATED)):
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", kind) as target:
            for number, data in enumerate(plain):
                target.writestr(f"series/{number:04d}.dcm", data)
        made.append(Form(name, [archive.getvalue()], _through(scratch / "study.zip"), True, [0]))
    volume = _read_files(plain).volume
    image = nibabel.Nifti1Image(volume.hu.transpose(2, 1, 0), _RAS_OF_LPS @ volume.affine)
    nibabel.save(image, scratch / "ct.nii.gz")
    packed = (scratch / "ct.nii.gz").read_bytes()
    made.append(Form(".nii.gz", [packed], _through(scratch / "ct.nii.gz"), True, [0]))
    return made


def _series() -> list[Dataset]:
    """No slice is what interpolation between its neighbours gives, so one that was filled in is seen.

    UIDs are always the same: a seed draws places in the files.
    """
    series = factory.make_series(slices=27, field=lambda x, y, z: factory.body(x, y, z) + 20 * np.sin(z / 3))
    for number, ds in enumerate(series):
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
            setattr(ds, keyword, f"1.2.826.0.1.3680043.8.498.1234567890.{len(keyword)}")
        ds.SOPInstanceUID = f"1.2.826.0.1.3680043.8.498.1234567890.99.{number}"
    return series


def as_files(series: list[Dataset]) -> list[bytes]:
    written = []
    for ds in series:
        stream = io.BytesIO()
        ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = (
            ds.SOPClassUID,
            ds.SOPInstanceUID,
        )
        ds.save_as(stream, enforce_file_format=True)
        written.append(stream.getvalue())
    return written


def _compressed(series: list[Dataset], syntax: Any) -> list[Dataset]:
    for ds in series:
        ds.compress(syntax, generate_instance_uid=False)
        frame = next(generate_frames(ds.PixelData, number_of_frames=1))
        ds.PixelData = encapsulate([frame])
        ds["PixelData"].is_undefined_length = True
    return series


def _pixels_at(data: bytes) -> int:
    return data.index(b"\xe0\x7f\x10\x00O") + 12


def _read_files(files: list[bytes]) -> Study:
    return read_files(files, workers=1)[0]


def _through(path: Path) -> Callable[[list[bytes]], Study]:
    def read(files: list[bytes]) -> Study:
        path.write_bytes(files[0])
        return read_study(path, workers=1)

    return read


def damaged(form: Form, rng: np.random.Generator) -> tuple[list[bytes], Damage]:
    """The files of a form with one of them damaged: bits flipped, cut off, or two blocks swapped.

    Every other damage of a file with a header of its own begins there, for it is small.
    """
    number = int(rng.integers(len(form.files)))
    data = bytearray(form.files[number])
    end = form.headers[number] if form.headers[number] and rng.integers(2) else len(data)
    kind = ("bits", "cut", "swap")[rng.integers(3)]
    if kind == "bits":
        touched = [(int(at), int(at) + 1) for at in rng.integers(0, end, 1 + int(rng.integers(1, 6) * rng.integers(2)))]
        for at, _ in touched:
            data[at] ^= 1 << int(rng.integers(8))
    elif kind == "cut":
        at = int(rng.integers(end))
        touched = [(at, len(data))]
        del data[at:]
    else:
        size = int(min(2 ** rng.integers(0, 12), end // 2))
        one = int(rng.integers(0, end - 2 * size + 1))
        other = int(rng.integers(one + size, end - size + 1))
        touched = [(one, one + size), (other, other + size)]
        data[one : one + size], data[other : other + size] = data[other : other + size], data[one : one + size]
    return [bytes(data) if i == number else file for i, file in enumerate(form.files)], Damage(kind, number, touched)


def judge(form: Form, files: list[bytes], damage: Damage, truth: Study) -> str:
    """One of `OUTCOMES`. An error that is no refusal is raised."""
    try:
        study = form.read(files)
    except StudyRefused as refusal:
        assert refusal.sentence
        return REFUSED
    same_grid = (
        study.volume.hu.shape == truth.volume.hu.shape
        and np.abs(_corners(study) - _corners(truth)).max() <= _SAME_PLACE_MM
    )
    if same_grid and np.array_equal(study.volume.hu, truth.volume.hu):
        return UNHARMED
    if form.checksum:
        return WRONG
    if set(study.flags) > set(truth.flags):
        return FLAGGED
    if not same_grid or damage.within_header(form):
        return WRONG
    slices = np.flatnonzero(np.any(study.volume.hu != truth.volume.hu, axis=(1, 2)))
    return UNSEEN if len(slices) == 1 else WRONG


def _corners(study: Study) -> Any:
    """Where the first voxel lies, and the last one along each axis, in patient mm."""
    last = np.diag(np.array(study.volume.hu.shape[::-1]) - 1)
    indices = np.column_stack([np.vstack([np.zeros((1, 3)), last]), np.ones(4)])
    return indices @ study.volume.affine.T


def trial(form: Form, truth: Study, seed: int) -> tuple[str, Damage]:
    """One damage, drawn from a seed, and its outcome."""
    files, damage = damaged(form, np.random.default_rng(seed))
    return judge(form, files, damage, truth), damage


def main() -> int:
    """Run as many trials as asked, divided among the forms."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1, help="of the first trial; the others follow")
    args = parser.parse_args()
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="vcf-damage-") as scratch:
        made = forms(Path(scratch))
        print(f"{'form':<16}{'trials':>8}" + "".join(f"{outcome:>16}" for outcome in OUTCOMES))
        for form in made:
            truth = form.read(form.files)
            counts: Counter[str] = Counter()
            for number in range(-(-args.runs // len(made))):
                outcome, damage = trial(form, truth, args.seed + number)
                counts[outcome] += 1
                if outcome == WRONG:
                    print(f"seed {args.seed + number}: {damage}", file=sys.stderr)
            wrong += counts[WRONG]
            shown = "".join(f"{counts[outcome]:>16}" for outcome in OUTCOMES)
            print(f"{form.name:<16}{sum(counts.values()):>8}{shown}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
