# SPDX-License-Identifier: Apache-2.0
"""An in-plane part of a volume that stands for the whole one.

All slices are in it, for Fourier resampling needs whole columns; columns far from the spine are not. Whoever reads
voxels through `Crop.take` names them by their place in the whole volume, so the arithmetic, and with it the result,
is the same for a volume and for a crop of it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcf_contract.errors import Code, StudyRefused


@dataclass(frozen=True)
class Window:
    """Rows ``y`` and columns ``x`` of every slice, as ranges of indices in the whole volume; either may be empty."""

    y: slice
    x: slice

    def __or__(self, other: "Window") -> "Window":
        """The smallest window that holds both."""
        return Window(_hull(self.y, other.y), _hull(self.x, other.x))


@dataclass(frozen=True)
class Crop:
    """Voxels of a canonical volume.

    hu
        (z, rows, columns): all slices of the rows and columns from ``origin`` on.
    origin
        Row and column in the whole volume of ``hu[:, 0, 0]``.
    shape
        Of the whole volume (z, y, x).

    Raises
    ------
    StudyRefused
        ``BAD_INPUT`` if the crop does not lie within the volume.
    """

    hu: NDArray[np.int16]
    origin: tuple[int, int]
    shape: tuple[int, int, int]

    def __post_init__(self) -> None:
        found, whole = self.hu.shape, self.shape
        ends = [start + size for start, size in zip(self.origin, found[1:], strict=True)]
        if found[0] != whole[0] or min(self.origin) < 0 or any(e > n for e, n in zip(ends, whole[1:], strict=True)):
            raise StudyRefused(
                Code.BAD_INPUT,
                f"a crop of shape {list(found)} from row and column {list(self.origin)} does not lie within a volume "
                f"of shape {list(whole)}; all slices and rows and columns within it are needed",
            )

    @classmethod
    def whole(cls, hu: NDArray[Any]) -> "Crop":
        """A volume as the crop that leaves out nothing."""
        return cls(hu, (0, 0), (hu.shape[0], hu.shape[1], hu.shape[2]))

    def rows_held(self, window: Window) -> Window:
        """The window without the rows that were cropped away at its ends; unchanged if none is left."""
        y0, y1 = self.origin[0], self.origin[0] + self.hu.shape[1]
        held = slice(max(window.y.start, y0), min(window.y.stop, y1))
        return Window(held, window.x) if held.stop > held.start else window

    def take(self, window: Window) -> NDArray[np.int16]:
        """A view (z, rows, columns) of the window.

        Raises
        ------
        StudyRefused
            ``BAD_INPUT`` if a part of it was cropped away.
        """
        y, x = (_inside(part, start) for part, start in zip((window.y, window.x), self.origin, strict=True))
        for part, size in ((y, self.hu.shape[1]), (x, self.hu.shape[2])):
            if part.stop > part.start and not 0 <= part.start <= part.stop <= size:
                raise StudyRefused(
                    Code.BAD_INPUT,
                    f"the spine needs rows {window.y.start} to {window.y.stop} and columns {window.x.start} to "
                    f"{window.x.stop} of the volume, the crop has {self.hu.shape[1]} rows and {self.hu.shape[2]} "
                    f"columns from {list(self.origin)}",
                )
        return self.hu[:, y, x]


def as_crop(volume: "NDArray[np.int16] | Crop") -> Crop:
    """A volume or a crop of one, as a crop."""
    return volume if isinstance(volume, Crop) else Crop.whole(volume)


def cut(hu: NDArray[np.int16], window: Window) -> Crop:
    """The window of a volume (z, y, x), copied into memory of its own."""
    return Crop(
        np.ascontiguousarray(hu[:, window.y, window.x]),
        (window.y.start, window.x.start),
        (hu.shape[0], hu.shape[1], hu.shape[2]),
    )


def _hull(a: slice, b: slice) -> slice:
    filled = [part for part in (a, b) if part.stop > part.start]
    return slice(min(p.start for p in filled), max(p.stop for p in filled)) if filled else slice(0, 0)


def _inside(part: slice, start: int) -> slice:
    return slice(0, 0) if part.stop <= part.start else slice(part.start - start, part.stop - start)
