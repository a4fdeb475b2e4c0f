# SPDX-License-Identifier: Apache-2.0
"""The studies of the suite, small and the same in every run: a synthetic chest CT, and what differs from it."""

import shutil
from pathlib import Path

import pydicom

from vcf_training.phantom import TRAINING_RANGES, render, sample
from vcf_training.phantom.anatomy import parse_levels
from vcf_training.phantom.dicom import write_series
from vcf_training.phantom.fracture import parse_fractures

SEED, SPACING_MM = 3, (4.0, 3.0, 3.0)
MISSING = range(15, 20)


def write_studies(folder: Path) -> None:
    """One folder a study, as ``cases.json`` names them; what it names ``nowhere`` is not there."""
    spec = sample(
        SEED,
        ranges=TRAINING_RANGES,
        kind="chest",
        levels=parse_levels("T8-L2"),
        fractures=parse_fractures("L1=3:wedge"),
    )
    whole = folder / "whole"
    write_series(render(spec, spacing_mm=SPACING_MM), whole)
    (whole / "truth.json").unlink(missing_ok=True)
    slices = sorted(whole.glob("*.dcm"))
    _subset(slices[:1], folder / "short")
    _subset([path for number, path in enumerate(slices) if number not in MISSING], folder / "gap")
    _changed(slices, folder / "young", PatientAge="030Y")
    _changed(slices, folder / "localizer", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    _changed(slices, folder / "magnetic", Modality="MR")
    (folder / "no_dicom").mkdir()
    (folder / "no_dicom" / "notes.txt").write_text("no DICOM", "utf-8")
    _subset(slices, folder / "mixed")
    (folder / "mixed" / "notes.txt").write_text("no DICOM either", "utf-8")
    (folder / "mixed" / "below").mkdir()
    (folder / "mixed" / slices[3].name).rename(folder / "mixed" / "below" / slices[3].name)


def _subset(slices: list[Path], folder: Path) -> None:
    folder.mkdir()
    for path in slices:
        shutil.copy(path, folder)


def _changed(slices: list[Path], folder: Path, **elements: object) -> None:
    folder.mkdir()
    for path in slices:
        image = pydicom.dcmread(path)
        for keyword, value in elements.items():
            setattr(image, keyword, value)
        image.save_as(folder / path.name)
