# SPDX-License-Identifier: Apache-2.0
"""Resampling, sagittal reconstruction and tiling of a volume, or of a crop about the spine (paper §2.2)."""

import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from vcf_contract.contract import (
    CLOCK_PATCHES,
    LOCATION,
    MIDSAGITTAL,
    MIDSAGITTAL_MM,
    PATCH_BOXES_MM,
    PATCHES,
    SPINE_PATCHES,
)
from vcf_preprocess import admission, centre_line, spine
from vcf_preprocess.cores import STUDY_THREADS
from vcf_preprocess.crop import Crop
from vcf_runtime import niceness, operating_point
from vcf_runtime.step import answer


def work(
    crop: Any,
    crop_origin: Any,
    volume_shape: Any,
    spacing_mm: Any,
    slice_location_mm: Any,
    centre_line_mm: Any,
    clock_ns: Any,
    overlap: float = 0.0,
) -> dict[str, Any]:
    """Inputs and outputs as in the contract; without origin and shape the crop is the whole volume. ``overlap`` of the
    patches belongs to the weights.
    """
    started_ns = time.monotonic_ns()
    shape = tuple(int(size) for size in (crop.shape if volume_shape is None else volume_shape))
    spacing = admission.check_shape(shape, spacing_mm)
    row, column = (0, 0) if crop_origin is None else (int(start) for start in crop_origin)
    line = centre_line.received(centre_line_mm, shape, spacing)
    found = spine.reconstruct(
        Crop(crop, (row, column), shape),
        spacing,
        line,
        threads=STUDY_THREADS,
        overlap=overlap,
        location_mm=admission.location(slice_location_mm),
    )
    # Behind another step this one's time begins where that one ended: getting the voxels here is a part of it.
    before = (started_ns,) if clock_ns is None else clock_ns
    return {
        PATCHES.name: found.patches,
        LOCATION.name: found.location,
        PATCH_BOXES_MM.name: found.patch_boxes_mm,
        MIDSAGITTAL.name: found.midsagittal,
        MIDSAGITTAL_MM.name: found.midsagittal_mm,
        CLOCK_PATCHES.name: (*before, time.monotonic_ns()),
    }


class TritonPythonModel:
    """The model as Triton's Python backend drives it."""

    def initialize(self, args: Mapping[str, str]) -> None:
        """Read how much the patches overlap, from the operating point."""
        niceness.come_after()
        model = Path(args["model_repository"])
        self.overlap = operating_point.read(model.parent, args["model_version"], model.name).aggregation.overlap

    def execute(self, requests: list[Any]) -> list[Any]:
        """Every request is a study."""
        return answer(SPINE_PATCHES, requests, partial(work, overlap=self.overlap))
