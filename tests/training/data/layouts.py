# SPDX-License-Identifier: Apache-2.0
"""A phantom written in the layouts that the readers accept, in any orientation; by nibabel, not by the project."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform
from numpy.typing import NDArray

from vcf_training.phantom import Phantom, Vertebra, render, sample

NUMBER = {f"T{i}": i + 7 for i in range(1, 13)} | {f"L{i}": i + 19 for i in range(1, 7)}
TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def small_phantom(seed: int = 3) -> Phantom:
    """T10–L4 with a wedged T12 and a crushed L2, the box about the spine in voxels of 2 mm."""
    spec = sample(seed, fractures={"T12": (2, "wedge"), "L2": (3, "crush")}, levels=("T10", "L4"))
    return render(spec, spacing_mm=(2.0, 2.0, 2.0), region="spine")


def labels_of(phantom: Phantom) -> NDArray[np.uint8]:
    """A block for each body and one for its arch behind the canal (z, y, x)."""
    dz, dy, dx = phantom.volume.spacing_mm
    z, y, x = (np.arange(n) * d for n, d in zip(phantom.volume.hu.shape, (dz, dy, dx), strict=True))
    labels = np.zeros(phantom.volume.hu.shape, np.uint8)
    for v in phantom.vertebrae:
        tall = (z >= v.z0_mm) & (z <= v.z1_mm)
        canal_x, canal_y = phantom.centre_line_mm[round(v.centre_mm[2] / dz)]
        body = (y >= 2 * v.centre_mm[1] - (canal_y - 9)) & (y <= canal_y - 9)
        arch = (y >= canal_y + 9) & (y <= canal_y + 21)
        wide = np.abs(x - canal_x) <= 16
        labels[np.ix_(tall, body | arch, wide)] = NUMBER[v.level]
    return labels


@dataclass(frozen=True)
class Written:
    """Images of one phantom, and where each body is in RAS mm."""

    image: Any
    mask: Any
    ras_mm: dict[str, NDArray[np.float64]]


def written(phantom: Phantom, axes: str = "RAS") -> Written:
    """NIfTI images whose axes run to these letters."""
    affine = TO_RAS @ phantom.volume.affine
    turned = []
    for voxels in (phantom.volume.hu, labels_of(phantom)):
        image = nibabel.Nifti1Image(voxels.transpose(2, 1, 0), affine)
        wanted = ornt_transform(io_orientation(affine), axcodes2ornt(tuple(axes)))
        turned.append(image.as_reoriented(wanted))
    spacing = np.array(phantom.volume.spacing_mm[::-1])
    ras = {v.level: (affine @ [*(np.array(v.centre_mm) / spacing), 1])[:3] for v in phantom.vertebrae}
    return Written(turned[0], turned[1], ras)


def centroids(
    files: Written, direction: str | None, levels: Sequence[str] | None = None, *, millimetres: bool = False
) -> list[dict[str, Any]]:
    """Centroid entries with axes that run to ``direction``; None: 1 mm, P, I, R, without the entry."""
    axes = direction or "PIR"
    turn = ornt_transform(io_orientation(files.image.affine), axcodes2ornt(tuple(axes)))
    turned = files.image.as_reoriented(turn)
    to_voxel = np.linalg.inv(turned.affine)
    sizes = np.array(turned.header.get_zooms()) if millimetres or direction is None else np.ones(3)
    entries: list[dict[str, Any]] = [{"direction": list(axes)}] if direction else []
    for level, ras in files.ras_mm.items():
        if levels is None or level in levels:
            x, y, z = ((to_voxel @ [*ras, 1])[:3] * sizes).round(1).tolist()
            entries.append({"label": NUMBER[level], "X": x, "Y": y, "Z": z})
    return entries


def write_bids(root: Path, name: str, files: Written, entries: list[dict[str, Any]] | None) -> None:
    """``rawdata`` and ``derivatives`` of one scan; ``name`` as in sub-verse004[_split-verse005][_dir-iso]."""
    subject = name.partition("_")[0]
    raw, made = root / "rawdata" / subject, root / "derivatives" / subject
    raw.mkdir(parents=True, exist_ok=True)
    made.mkdir(parents=True, exist_ok=True)
    nibabel.save(files.image, raw / f"{name}_ct.nii.gz")
    nibabel.save(files.mask, made / f"{name}_seg-vert_msk.nii.gz")
    if entries is not None:
        (made / f"{name}_seg-subreg_ctd.json").write_text(json.dumps(entries))


def write_flat(root: Path, name: str, files: Written, entries: list[dict[str, Any]], suffix: str = "_ctd") -> None:
    """Image, mask and centroids side by side."""
    root.mkdir(parents=True, exist_ok=True)
    nibabel.save(files.image, root / f"{name}.nii.gz")
    nibabel.save(files.mask, root / f"{name}_seg.nii.gz")
    (root / f"{name}{suffix}.json").write_text(json.dumps(entries))


def supplement(rows: Mapping[str, Mapping[str, Any]], subjects: Mapping[str, str] | None = None) -> list[list[Any]]:
    """Header and lines as in the published table; levels that a row does not name stay empty."""
    levels = list(NUMBER)
    header = ["verse_ID", "subject_ID", "dataset", *(f"{v}_fx-g" for v in levels), *(f"{v}_fx-s" for v in levels)]
    lines = [header]
    for scan, grades in rows.items():
        shapes = {"wedge": 1, "biconcave": 2, "crush": 3}
        graded = {level: value if isinstance(value, tuple) else (value, None) for level, value in grades.items()}
        line = [scan, (subjects or {}).get(scan, scan), "train"]
        line += [graded.get(level, (None, None))[0] for level in levels]
        line += [
            shapes.get(graded.get(level, (None, None))[1] or "", 0 if level in graded else None) for level in levels
        ]
        lines.append(line)
    return lines


def write_table(path: Path, lines: Sequence[Sequence[Any]]) -> Path:
    """As xlsx with the published sheet's name, or as CSV, as the suffix says."""
    if path.suffix == ".csv":
        path.write_text("\n".join(",".join("" if v is None else str(v) for v in line) for line in lines) + "\n")
        return path
    import openpyxl

    book = openpyxl.Workbook()
    book.active.title = "VerSe_dataset"
    for line in lines:
        book.active.append(list(line))
    book.save(path)
    return path


def true_grades(phantom: Phantom) -> dict[str, tuple[int, str | None]]:
    """Grade and shape by level."""
    return {v.level: (v.grade, v.shape) for v in phantom.vertebrae}


def by_level(vertebrae: Sequence[Vertebra]) -> dict[str, Vertebra]:
    """Vertebrae by their level."""
    return {v.level: v for v in vertebrae}
