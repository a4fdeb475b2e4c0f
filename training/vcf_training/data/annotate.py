# SPDX-License-Identifier: Apache-2.0
"""Annotation of the spinal canal: sheets to look at, keyframes set by eye, boxes of all slices made from them."""

import argparse
import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import numpy as np

from vcf_preprocess.geometry import Volume
from vcf_training.data.canal import BOXES_CSV, read_boxes
from vcf_training.data.canal_fit import fit_canal
from vcf_training.data.sheets import Box, View, contact_sheet
from vcf_training.data.sources import SOURCES, Where

KEYFRAMES_CSV = BOXES_CSV.with_name("canal_keyframes.csv")
COLUMNS = ("source", "slice", "x0", "y0", "x1", "y1", "reader", "method")
READER = "1"


@dataclass(frozen=True)
class Keyframe:
    """Tell what the reader set on a slice by eye: the canal's centre, its whole box, or that there is none. In mm."""

    source: str
    slice: int
    kind: Literal["centre", "box", "absent"]
    centre_mm: tuple[float, float] | None
    size_mm: tuple[float, float] | None

    @property
    def box_mm(self) -> Box | None:
        if self.centre_mm is None or self.size_mm is None:
            return None
        (x, y), (width, height) = self.centre_mm, self.size_mm
        return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def read_keyframes(path: Path = KEYFRAMES_CSV) -> list[Keyframe]:
    """Keyframes by source and slice."""

    def pair(line: Mapping[str, str], first: str, second: str) -> tuple[float, float] | None:
        return (float(line[first]), float(line[second])) if line[first] else None

    with path.open(newline="") as file:
        return [
            Keyframe(
                line["source"],
                int(line["slice"]),
                cast(Literal["centre", "box", "absent"], line["kind"]),
                pair(line, "x_mm", "y_mm"),
                pair(line, "width_mm", "height_mm"),
            )
            for line in csv.DictReader(file)
        ]


def interpolate_keyframes(volume: Volume, keyframes: Sequence[Keyframe]) -> list[tuple[int, Box | None, str]]:
    """Slice, box in mm and method (``eye`` or ``fit``) from the first to the last keyframe that shows the canal."""
    rows: dict[int, tuple[Box | None, str]] = {}
    shown = {k.slice: k.centre_mm for k in keyframes if k.centre_mm is not None}
    boxed = [k.slice for k in keyframes if k.box_mm is not None]
    if shown and max(shown) - min(shown) + 1 > len(boxed):
        indices = np.arange(min(shown), max(shown) + 1)
        at = np.array(sorted(shown))
        set_mm = np.array([shown[int(z)] for z in at])
        centres = np.stack([np.interp(indices, at, set_mm[:, axis]) for axis in (0, 1)], axis=1)
        edges = fit_canal(volume, indices, centres, trust=np.isin(indices, boxed, invert=True))
        rows |= {int(z): ((e[0], e[1], e[2], e[3]), "fit") for z, e in zip(indices, edges.tolist(), strict=True)}
    rows |= {k.slice: (k.box_mm, "eye") for k in keyframes if k.kind != "centre"}
    return [(z, *rows[z]) for z in sorted(rows)]


def write_boxes(where: Where, path: Path = BOXES_CSV) -> None:
    """Make the boxes of all sources from their keyframes; pixels with one decimal."""
    keyframes = read_keyframes()
    with path.open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for name in dict.fromkeys(k.source for k in keyframes):
            volume = SOURCES[name].read(where)
            _, row_mm, column_mm = volume.spacing_mm
            for z, box, method in interpolate_keyframes(volume, [k for k in keyframes if k.source == name]):
                corners: list[str] = [""] * 4
                if box is not None:
                    corners = [f"{mm / per_px:.1f}" for mm, per_px in zip(box, (column_mm, row_mm) * 2, strict=True)]
                table.writerow([name, z, *corners, READER, method])


def write_sheets(name: str, where: Where, every: int, out: Path, per_sheet: int = 24) -> list[Path]:
    """Contact sheets of one source with the boxes of the repository, slices without a box about the nearest one."""
    volume = SOURCES[name].read(where)
    _, row_mm, column_mm = volume.spacing_mm
    boxes: dict[int, Box] = {}
    for row in read_boxes():
        if row.source == name and row.box is not None:
            x0, y0, x1, y1 = row.box
            boxes[row.slice] = (x0 * column_mm, y0 * row_mm, x1 * column_mm, y1 * row_mm)
    middle = (volume.hu.shape[2] * column_mm / 2, volume.hu.shape[1] * row_mm / 2)
    indices = list(range(0, len(volume.hu), every))
    centres = {}
    for z in indices:
        nearest = min(boxes, key=lambda known, z=z: abs(known - z)) if boxes else None  # type: ignore[misc]
        b = boxes[nearest] if nearest is not None else None
        centres[z] = ((b[0] + b[2]) / 2, (b[1] + b[3]) / 2) if b else middle
    view = View(24.0, 5.2) if boxes else View(90.0, 2.5)
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for start in range(0, len(indices), per_sheet):
        path = out / f"{name.replace('/', '_')}-{start // per_sheet}.png"
        contact_sheet(volume, indices[start : start + per_sheet], centres, boxes, 6, view).save(path)
        written.append(path)
    return written


def main() -> None:
    """``sheet SOURCE`` shows what is annotated; ``fill`` makes the boxes from the keyframes."""
    parser = argparse.ArgumentParser(prog="python -m vcf_training.data.annotate", description=__doc__)
    parser.add_argument("--shared-data", type=Path, help="folder of development data")
    verbs = parser.add_subparsers(dest="verb", required=True)
    sheet = verbs.add_parser("sheet", help="contact sheets of a source with its boxes")
    sheet.add_argument("source", choices=sorted(SOURCES))
    sheet.add_argument("--every", type=int, default=1)
    sheet.add_argument("--out", type=Path, default=Path("out/canal"))
    verbs.add_parser("fill", help="make canal_boxes.csv from canal_keyframes.csv")
    chosen = parser.parse_args()
    where = Where(chosen.shared_data)
    if chosen.verb == "fill":
        write_boxes(where)
    else:
        for path in write_sheets(chosen.source, where, chosen.every, chosen.out):
            print(path)


if __name__ == "__main__":
    main()
