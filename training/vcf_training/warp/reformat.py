# SPDX-License-Identifier: Apache-2.0
"""Sagittal reformats with a millimetre grid, to read the corners of vertebral bodies by and to review them.

``python -m vcf_training.warp.reformat SOURCE`` draws one: the slab follows the canal from side to side, so that a
curved spine stays in it, but not from front to back, so that what is read off are the scan's own y and z.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from vcf_preprocess.geometry import Volume
from vcf_training.data.real_spines import load_real_spines
from vcf_training.data.sources import SOURCES
from vcf_training.warp.patients import Corners, complete_canal, read_corners

SLAB_MM = 6.0
WINDOW_HU = (-100.0, 500.0)
FRONT_MM, BACK_MM = 75.0, 35.0
"""What is shown before and behind the canal."""
GRID_MM = 10.0


def sagittal_slab(volume: Volume, canal_mm: NDArray[np.float64], slab_mm: float = SLAB_MM) -> NDArray[np.float64]:
    """Mean HU (z, y) of a slab about the canal's x (z, 2) on each slice."""
    dx = volume.spacing_mm[2]
    columns = np.arange(volume.hu.shape[2]) * dx
    beside = np.abs(columns - canal_mm[:, :1]) <= np.maximum(slab_mm / 2, dx)  # (z, x)
    return np.asarray(np.einsum("zyx,zx->zy", volume.hu.astype(np.float32), beside) / beside.sum(1)[:, None])


def draw_reformat(
    volume: Volume, canal_mm: NDArray[np.float64], corners: Mapping[str, Corners], px_per_mm: float = 4.5
) -> Image.Image:
    """The slab with its grid, the canal and the outlines of those bodies whose corners are known; head up."""
    dz, dy, _ = volume.spacing_mm
    slab = sagittal_slab(volume, canal_mm)
    low, high = WINDOW_HU
    grey = Image.fromarray((np.clip((slab[::-1] - low) / (high - low), 0, 1) * 255).astype(np.uint8))
    front, back = float(canal_mm[:, 1].min()) - FRONT_MM, float(canal_mm[:, 1].max()) + BACK_MM
    top = (len(slab) - 0.5) * dz
    size = round((back - front) * px_per_mm), round(len(slab) * dz * px_per_mm)
    to_slab = (1 / px_per_mm / dy, 0, front / dy + 0.5, 0, 1 / px_per_mm / dz, 0)
    picture = grey.transform(size, Image.Transform.AFFINE, to_slab, Image.Resampling.BICUBIC).convert("RGB")
    pen = ImageDraw.Draw(picture, "RGBA")

    def at(y: float, z: float) -> tuple[float, float]:
        return (y - front) * px_per_mm, (top - z) * px_per_mm

    for y in np.arange(np.ceil(front / GRID_MM), back / GRID_MM) * GRID_MM:
        pen.line((at(y, top), at(y, -dz)), fill=(0, 220, 255, 60))
        pen.text(at(y, top), f"{y:.0f}", fill=(0, 220, 255))
    for z in np.arange(0, top / GRID_MM) * GRID_MM:
        pen.line((at(front, z), at(back, z)), fill=(0, 220, 255, 60))
        pen.text(at(front, z), f"{z:.0f}", fill=(0, 220, 255))
    pen.line([at(y, z * dz) for z, y in enumerate(canal_mm[:, 1])], fill=(255, 210, 0, 120))
    for level, read in corners.items():
        outline = [*read.upper_mm, *read.lower_mm[::-1], read.upper_mm[0]]
        pen.line([at(y, z) for y, z in outline], fill=(120, 255, 120) if read.collapsible else (255, 120, 120))
        pen.text(at(*np.mean(outline, axis=0)), level, fill=(120, 255, 120))
    return picture


def main() -> None:
    """Draw the reformat of one source with the corners of the repository."""
    parser = argparse.ArgumentParser(prog="python -m vcf_training.warp.reformat", description=__doc__)
    parser.add_argument("source", choices=sorted(SOURCES))
    parser.add_argument("--shared-data", type=Path, help="folder of development data")
    parser.add_argument("--out", type=Path, default=Path("out/reformats"))
    chosen = parser.parse_args()
    spines = load_real_spines(chosen.shared_data, use=SOURCES[chosen.source].use)
    spine = next((s for s in spines if s.source == chosen.source), None)
    if spine is None:
        parser.error(f"the CT {chosen.source} is not at hand, or its canal is not known")
    canal, _ = complete_canal(spine.canal_mm)
    chosen.out.mkdir(parents=True, exist_ok=True)
    path = chosen.out / f"{chosen.source.replace('/', '_')}.png"
    draw_reformat(spine.volume, canal, read_corners().get(chosen.source, {})).save(path)
    print(path)


if __name__ == "__main__":
    main()
