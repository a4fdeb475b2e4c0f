# SPDX-License-Identifier: Apache-2.0
"""Ways from a volume and a centre line to patches: ours, and resampling with a library before anything is cut out.

The libraries resample along z to the in-plane pixel size, as the paper has it. What comes after, sagittal
reconstruction, tiling, resizing and windowing, is for each of them done by our own code on what they made: only the
resampling differs, and its result can be compared patch by patch.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from vcf_preprocess.centre_line import CentreLine
from vcf_preprocess.crop import Crop, Window
from vcf_preprocess.fourier import resample_columns, resampled_length
from vcf_preprocess.patches import PatchSet, Spacing, extract, window

Volume = NDArray[Any]
Resample = Callable[[Volume, Spacing], Volume]
"""A volume (z, y, x) of HU and its spacing to the same height in rows of about the in-plane pixel size."""


@dataclass(frozen=True)
class Way:
    """One way to resample.

    does
        What it does and what it leaves out, for readers of the result.
    cropped
        Whether it gets only the rows and columns that patches are made of.
    """

    name: str
    package: str
    does: str
    resample: Resample
    cropped: bool = False

    def missing(self) -> str | None:
        """Return why it cannot run here, or None."""
        try:
            import_module(MODULES.get(self.package, self.package))
        except ImportError as error:
            return f"{self.package} is not installed here ({error.name or error}): pip install {self.package}"
        return None

    def patches(self, hu: NDArray[np.int16], spacing_mm: Spacing, line: CentreLine) -> PatchSet:
        """Resample, then cut."""
        reach = (
            window(hu.shape, spacing_mm, line) if self.cropped else Window(slice(0, hu.shape[1]), slice(0, hu.shape[2]))
        )
        made = self.resample(hu[:, reach.y, reach.x], spacing_mm)
        rows = Crop(made, (reach.y.start, reach.x.start), (len(made), hu.shape[1], hu.shape[2]))
        return cut(rows, row_mm(len(hu), spacing_mm), spacing_mm, line)


MODULES = {"simpleitk": "SimpleITK"}


def row_mm(n_slices: int, spacing_mm: Spacing) -> float:
    """Return the distance of resampled rows: as near to the in-plane pixel size as a whole number of rows allows."""
    return spacing_mm[0] * n_slices / resampled_length(n_slices, spacing_mm[0], spacing_mm[1])


def cut(rows: Crop, row_mm: float, spacing_mm: Spacing, line: CentreLine) -> PatchSet:
    """Cut patches of a volume that is resampled already: to resample it to its own rows once more changes nothing."""
    known = line.points_mm[:, 2]
    # The spine ends where it did: half a row beyond the outermost points now, half a slice before.
    first, last = known[0] + (row_mm - spacing_mm[0]) / 2, known[-1] + (spacing_mm[0] - row_mm) / 2
    covered = range(max(0, round(first / row_mm)), min(len(rows.hu), round(last / row_mm) + 1))
    z = np.array([first, *(np.array(covered[1:-1]) * row_mm), last])
    x, y = (np.interp(z, known, line.points_mm[:, axis]) for axis in (0, 1))
    there = replace(line, first_slice=covered.start, points_mm=np.stack([x, y, z], -1))
    return extract(rows, (row_mm, *spacing_mm[1:]), there)


def ours_resample(hu: Volume, spacing_mm: Spacing) -> Volume:
    """Apply our Fourier resampling alone to all that is given; ours never forms this."""
    return resample_columns(hu, resampled_length(len(hu), spacing_mm[0], spacing_mm[1]))


def scipy_resample(hu: Volume, spacing_mm: Spacing, dtype: Any) -> Volume:
    """Apply SciPy's Fourier resampling in the precision of its input; integers become float64."""
    made: Volume = signal.resample(
        hu.astype(dtype, copy=False), resampled_length(len(hu), spacing_mm[0], spacing_mm[1]), axis=0
    )
    return made


def sitk_resample(hu: Volume, spacing_mm: Spacing, interpolator: str) -> Volume:
    """Apply SimpleITK on one thread, from and to NumPy, in float32."""
    import SimpleITK as sitk  # noqa: PLC0415 - of the extra `peers`

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    rows = resampled_length(len(hu), spacing_mm[0], spacing_mm[1])
    image = sitk.GetImageFromArray(np.ascontiguousarray(hu))
    image.SetSpacing(tuple(map(float, spacing_mm[::-1])))
    filter_ = sitk.ResampleImageFilter()
    filter_.SetSize([hu.shape[2], hu.shape[1], rows])
    filter_.SetOutputSpacing([float(spacing_mm[2]), float(spacing_mm[1]), row_mm(len(hu), spacing_mm)])
    filter_.SetInterpolator(getattr(sitk, interpolator))
    filter_.SetOutputPixelType(sitk.sitkFloat32)
    filter_.SetDefaultPixelValue(-1024)
    # Half a slice beyond the last one is still inside for the Fourier way; here it repeats the last one.
    filter_.SetUseNearestNeighborExtrapolator(True)
    made: Volume = sitk.GetArrayFromImage(filter_.Execute(image))
    return made


def monai_resample(hu: Volume, spacing_mm: Spacing) -> Volume:
    """Apply MONAI's Spacing, trilinear, on one thread, from and to NumPy, in float32."""
    # MONAI, which brings torch, is left to the user.
    import torch  # noqa: PLC0415
    from monai.data import MetaTensor  # noqa: PLC0415
    from monai.transforms import Spacing as MonaiSpacing  # noqa: PLC0415

    torch.set_num_threads(1)
    image = MetaTensor(
        torch.from_numpy(np.ascontiguousarray(hu))[None], affine=torch.diag(torch.tensor([*spacing_mm, 1.0]))
    )
    transform = MonaiSpacing(
        pixdim=(row_mm(len(hu), spacing_mm), *spacing_mm[1:]), mode="bilinear", padding_mode="border", dtype=np.float32
    )
    made: Volume = np.asarray(transform(image))[0]
    return made


_scipy64, _scipy32 = partial(scipy_resample, dtype=np.float64), partial(scipy_resample, dtype=np.float32)
_linear, _spline = (partial(sitk_resample, interpolator=name) for name in ("sitkLinear", "sitkBSpline"))
PEERS = (
    Way("SciPy, float64", "scipy", "signal.resample of the whole int16 volume; the column wraps round", _scipy64),
    Way("SciPy, float32", "scipy", "signal.resample of the whole volume in float32; the column wraps round", _scipy32),
    Way("SciPy, cropped", "scipy", "as before, of the rows and columns that patches need", _scipy32, cropped=True),
    Way("SimpleITK", "simpleitk", "ResampleImageFilter, linear: no Fourier interpolation", _linear),
    Way(
        "SimpleITK, cropped", "simpleitk", "as before, of the rows and columns that patches need", _linear, cropped=True
    ),
    Way("SimpleITK, B-spline", "simpleitk", "cubic B-spline, of the rows and columns that patches need", _spline, True),
    Way("MONAI", "monai", "Spacing, bilinear: no Fourier interpolation", monai_resample),
    Way(
        "MONAI, cropped", "monai", "as before, of the rows and columns that patches need", monai_resample, cropped=True
    ),
)
OURS = "ours"


def versions(ways: tuple[Way, ...] = PEERS) -> dict[str, str]:
    """Return the versions of the packages that are here."""
    return {way.package: version(way.package) for way in ways if way.missing() is None}
