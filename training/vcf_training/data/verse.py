# SPDX-License-Identifier: Apache-2.0
"""VerSe (CC BY-SA 4.0; Löffler 2020, Sekuboyina 2021, Liebl 2021), and own data in its layouts.

BIDS-like, as recommended: ``rawdata/sub-ID/sub-ID[_split-ID][_dir-x]_ct.nii.gz`` with
``derivatives/sub-ID/…_seg-vert_msk.nii.gz`` and ``…_seg-subreg_ctd.json``, at any depth, so that VerSe's training,
validation and test folders may lie side by side. Flat, as in the MICCAI challenges: ``ID[_ID][_CT-x].nii.gz`` with
``…_seg.nii.gz`` and ``…_ctd.json`` or ``…_iso-ctd.json`` beside it. Grades come from the supplement (``grades.py``).
"""

import hashlib
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vcf_client.reader import read_study
from vcf_preprocess.geometry import Volume
from vcf_training.data.annotated import GRADABLE, LEVELS, AnnotatedStudy, DataCode, DataError, Grade, Scan, hashed
from vcf_training.data.centroids import Centroids, read_centroids
from vcf_training.data.grades import GradedScan, find_supplement, normalised, read_supplement
from vcf_training.data.places import canal_of_labels, check_inside, check_points, vertebrae_at
from vcf_training.data.sources import nifti_grid, read_nifti

log = logging.getLogger(__name__)

SAME_PLACE_MM = 1.0
_NIFTI = (".nii.gz", ".nii")
_ID = r"(?:verse|gl)\d+"


@dataclass(frozen=True)
class Files:
    """One scan of a data set in the VerSe layout."""

    scan: str
    patient: str
    image: Path
    mask: Path | None
    centroids: Path | None


def is_verse(root: Path) -> bool:
    """Tell whether a folder holds scans in one of the layouts."""
    return bool(find_files(root))


def find_files(root: Path) -> list[Files]:
    """All scans of a folder, sorted by path.

    Raises
    ------
    DataError
        ``DUPLICATE_STUDY`` where two different images have one id. Copies, as VerSe'19 and '20 share, are taken once.
    """
    found: dict[str, Files] = {}
    for image in sorted(p for p in root.rglob("*.nii*") if p.name.endswith(_NIFTI)):
        files = _bids(image) or _flat(image)
        if files is None:
            continue
        before = found.setdefault(files.scan, files)
        if before.image != image and not _same_content(before.image, image):
            raise DataError(
                DataCode.DUPLICATE_STUDY,
                f"two different images carry the id of study {list(found).index(files.scan) + 1}; ids must be unique",
            )
    return list(found.values())


def read_verse(
    root: Path, supplement: Path | None = None, problem: Callable[[DataError], None] | None = None
) -> list[AnnotatedStudy]:
    """The studies of a folder in one of VerSe's layouts.

    Parameters
    ----------
    supplement
        Table of grades; None looks for one in the folder, and without any no vertebra is graded.
    problem
        Told of each study that is left out for an error; None raises it.

    Raises
    ------
    DataError
        Anything that does not fit together; see ``DataCode``.
    """
    found = find_files(root)
    if not found:
        raise DataError(DataCode.NO_STUDIES, "the folder holds no scan in a layout of VerSe; see docs/training.md")
    table = supplement or find_supplement(root)
    graded = read_supplement(table) if table else {}
    studies = []
    for number, files in enumerate(found, start=1):
        try:
            studies.append(_study(files, graded, f"study {number} of {len(found)}"))
        except DataError as error:
            if problem is None:
                raise
            problem(error)
    if table and not any(normalised(files.scan) in graded for files in found):
        raise DataError(
            DataCode.NO_GRADES,
            f"none of the {len(graded)} scans in the table of grades is one of the {len(found)} scans in the folder",
        )
    return studies


def _study(files: Files, graded: Mapping[str, GradedScan], where: str) -> AnnotatedStudy:
    if files.centroids is None:
        raise DataError(DataCode.NO_CENTROIDS, f"{where}: no centroid file (…ctd.json) belongs to its image")
    centroids = read_centroids(files.centroids, where)
    levels = [LEVELS[label] for label in centroids.points if LEVELS[label] in GRADABLE]
    line = graded.get(normalised(files.scan))
    verdicts = line.grades if line else {}
    lost = [level for level, verdict in verdicts.items() if verdict.grade and level not in levels]
    if line and lost:
        raise DataError(
            DataCode.GRADE_MISMATCH,
            f"{where}: line {line.line} of the table of grades has a fracture of {', '.join(lost)}, and the scan "
            "has no centroid there",
        )
    patient = line.subject if line and line.subject else files.patient
    return AnnotatedStudy(
        hashed(files.scan),
        hashed(patient),
        "verse",
        {level: verdicts.get(level, Grade(None)) for level in levels},
        partial(_read, files, centroids, verdicts, where),
    )


def _read(files: Files, centroids: Centroids, verdicts: Mapping[str, Grade], where: str) -> Scan:
    volume = read_study(files.image).volume
    depth, height, width = volume.hu.shape
    whole = nifti_grid(files.image)  # with the slices that show no body: centroids are indices of the file
    below_mm = np.array([0.0, 0.0, first_slice(volume, whole) * volume.spacing_mm[0]])
    placed = centroids.canonical_mm((len(whole.hu), height, width), volume.spacing_mm)
    points = {LEVELS[label]: point - below_mm for label, point in placed.items()}
    check_inside(points, (depth, height, width), volume.spacing_mm, where)
    labels = canal = None
    if files.mask is not None:
        labels = read_labels(files.mask, volume, where)
        check_points(points, labels, volume.spacing_mm, where)
        canal = canal_of_labels(labels, volume.spacing_mm)
    vertebrae = vertebrae_at(points, verdicts, labels=labels, spacing_mm=volume.spacing_mm, canal_mm=canal)
    return Scan(volume, vertebrae, canal, None, labels)


def first_slice(volume: Volume, whole: Volume) -> int:
    """Give the slice of a whole scan at which a part of it begins, by their places in space."""
    return round(float((np.linalg.inv(whole.affine) @ volume.affine[:, 3])[2]))


def _same_slices(mask: Volume, volume: Volume) -> Volume:
    """Cut a mask to the slices of a volume that is a part of its scan; a mask of another grid stays as it is."""
    missing, first = len(mask.hu) - len(volume.hu), first_slice(volume, mask)
    if missing <= 0 or not 0 <= first <= missing or mask.hu.shape[1:] != volume.hu.shape[1:]:
        return mask
    return mask.part(first, first + len(volume.hu))


def read_labels(path: Path, volume: Volume, where: str, *, every_value: bool = False) -> NDArray[np.uint8]:
    """A mask (z, y, x) that must lie on the grid of the CT; values that are no VerSe label become 0.

    Where the reader left out slices of the CT that show no body, those of the mask are left out, too.

    With ``every_value`` any value but 0 becomes 1.

    Raises
    ------
    DataError
        ``BAD_MASK`` or ``GRID_MISMATCH``.
    """
    mask: Volume | None = None
    try:
        mask = read_nifti(path)
    except Exception:  # a damaged file can make nibabel raise anything, and its text holds the path
        mask = None
    if mask is None:
        raise DataError(DataCode.BAD_MASK, f"{where}: the mask is no readable NIfTI volume")
    mask = _same_slices(mask, volume)
    if mask.hu.shape != volume.hu.shape:
        raise DataError(
            DataCode.GRID_MISMATCH, f"{where}: the mask has {mask.hu.shape} voxels (z, y, x), the CT {volume.hu.shape}"
        )
    corners = np.array([[0, 0, 0, 1], [*np.array(volume.hu.shape[::-1]) - 1, 1]], float).T
    apart = float(np.abs((mask.affine - volume.affine) @ corners)[:3].max())
    if apart > SAME_PLACE_MM:
        raise DataError(
            DataCode.GRID_MISMATCH,
            f"{where}: mask and CT lie up to {apart:.1f} mm apart, up to {SAME_PLACE_MM:g} mm is accepted",
        )
    if every_value:
        shown: NDArray[np.uint8] = (mask.hu != 0).astype(np.uint8)
        return shown
    known = np.isin(mask.hu, list(LEVELS))
    return np.where(known, mask.hu, 0).astype(np.uint8)


def _bids(image: Path) -> Files | None:
    stem = _stem(image.name)
    match = re.fullmatch(r"sub-([^_]+)(?:_split-([^_]+))?(?:_[a-z]+-[^_]+)*_ct", stem)
    if match is None:
        return None
    parts = list(image.parent.parts)
    if "rawdata" in parts:
        parts[len(parts) - 1 - parts[::-1].index("rawdata")] = "derivatives"
    folder, scan = Path(*parts), match[2] or match[1]
    base = re.escape(stem.removesuffix("_ct"))
    mask = _only(folder, rf"{base}_seg-vert_msk\.nii(\.gz)?")
    centroids = _only(folder, rf"{base}_seg-(subreg|vb|vert)_ctd\.json")
    return Files(scan.lower(), match[1].lower(), image, mask, centroids)


def _flat(image: Path) -> Files | None:
    """A flat scan is any NIfTI file with a centroid file or a mask of its name beside it."""
    stem = _stem(image.name)
    if stem.startswith("sub-") or re.search(r"_(seg|msk|ct)$", stem):
        return None
    loose = re.sub(r"[-_]", "[-_]", re.escape(stem).replace(r"\-", "-"))  # some centroid files exchange the two
    mask = _only(image.parent, rf"{loose}_seg\.nii(\.gz)?")
    centroids = _only(image.parent, rf"{loose}[-_](iso-)?ctd\.json")
    if mask is None and centroids is None:
        return None
    ids = re.match(rf"({_ID})[-_]({_ID})(?![^-_])", stem, re.IGNORECASE)
    if ids:
        return Files(ids[2].lower(), ids[1].lower(), image, mask, centroids)
    scan = re.sub(r"[-_]CT[-_].*$", "", stem, flags=re.IGNORECASE).lower()
    return Files(scan, scan, image, mask, centroids)


def _stem(name: str) -> str:
    return name.removesuffix(".gz").removesuffix(".nii")


def _only(folder: Path, pattern: str) -> Path | None:
    found = [p for p in sorted(folder.glob("*")) if re.fullmatch(pattern, p.name, re.IGNORECASE)]
    return found[0] if found else None


def _same_content(one: Path, other: Path) -> bool:
    if one.stat().st_size != other.stat().st_size:
        return False
    digests = []
    for path in (one, other):
        with path.open("rb") as file:
            digests.append(hashlib.file_digest(file, "sha256").digest())
    return digests[0] == digests[1]
