# SPDX-License-Identifier: Apache-2.0
"""Contact sheets of axial slices with a millimetre grid and the canal's boxes, to annotate by and to review."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from vcf_preprocess.geometry import Volume

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in mm from the centre of pixel (0, 0) of the canonical slice."""


@dataclass(frozen=True)
class View:
    """Tell how a slice is shown: a square of 2·``half_mm``, in the HU window, ``px_per_mm`` screen pixels a
    millimetre."""

    half_mm: float = 40.0
    px_per_mm: float = 4.5
    window_hu: tuple[float, float] = (-150.0, 450.0)
    grid_mm: float = 10.0


def draw_slice(
    image_hu: NDArray[np.int16],
    spacing_mm: tuple[float, float],
    centre_mm: tuple[float, float],
    title: str,
    box_mm: Box | None = None,
    view: View = View(),
) -> Image.Image:
    """One slice about ``centre_mm`` (x, y) with grid lines labelled in mm, and its box if there is one."""
    low, high = view.window_hu
    grey = Image.fromarray((np.clip((image_hu - low) / (high - low), 0, 1) * 255).astype(np.uint8))
    side = round(2 * view.half_mm * view.px_per_mm)
    left, top = centre_mm[0] - view.half_mm, centre_mm[1] - view.half_mm
    row_mm, column_mm = spacing_mm
    step = 1 / view.px_per_mm
    # Screen pixel centre → mm → index of the slice, whose pixel centres PIL puts at +0.5.
    to_slice = (
        step / column_mm, 0, (left + step / 2) / column_mm + 0.5 - step / 2 / column_mm,
        0, step / row_mm, (top + step / 2) / row_mm + 0.5 - step / 2 / row_mm,
    )  # fmt: skip
    tile = grey.transform((side, side), Image.Transform.AFFINE, to_slice, Image.Resampling.BICUBIC).convert("RGB")
    pen = ImageDraw.Draw(tile, "RGBA")

    def x_px(mm: float) -> float:
        return (mm - left) * view.px_per_mm

    def y_px(mm: float) -> float:
        return (mm - top) * view.px_per_mm

    for axis, start in enumerate((left, top)):
        for mm in np.arange(np.ceil(start / view.grid_mm), (start + 2 * view.half_mm) / view.grid_mm) * view.grid_mm:
            at = (mm - start) * view.px_per_mm
            line = (at, 0, at, side) if axis == 0 else (0, at, side, at)
            pen.line(line, fill=(0, 220, 255, 70))
            pen.text((at + 1, side - 12) if axis == 0 else (1, at), f"{mm:.0f}", fill=(0, 220, 255))
    if box_mm is not None:
        x0, y0, x1, y1 = box_mm
        pen.rectangle((x_px(x0), y_px(y0), x_px(x1), y_px(y1)), outline=(255, 210, 0))
    pen.text((side // 2 - 20, 1), title, fill=(120, 255, 120))
    return tile


def contact_sheet(
    volume: Volume,
    indices: Sequence[int],
    centres_mm: Mapping[int, tuple[float, float]],
    boxes_mm: Mapping[int, Box],
    columns: int = 4,
    view: View = View(),
) -> Image.Image:
    """Slices side by side, each about its own centre (x, y)."""
    tiles = [
        draw_slice(volume.hu[z], volume.spacing_mm[1:], centres_mm[z], f"z {z}", boxes_mm.get(z), view) for z in indices
    ]
    side = tiles[0].width + 2
    sheet = Image.new("RGB", (columns * side, -(-len(tiles) // columns) * side))
    for i, tile in enumerate(tiles):
        sheet.paste(tile, (i % columns * side, i // columns * side))
    return sheet
