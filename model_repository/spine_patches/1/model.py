# SPDX-License-Identifier: Apache-2.0
"""Centre line, resampling, sagittal reconstruction and tiling (paper §2.2)."""

import time
from typing import Any

from preprocess import admission, spine
from vcf.contract import (
    CENTRE_LINE_MM,
    CLOCK_PATCHES,
    FLAGS,
    LOCATION,
    MIDSAGITTAL,
    MIDSAGITTAL_MM,
    PATCH_BOXES_MM,
    PATCHES,
    SPINE_PATCHES,
)
from vcf.serve.step import answer


def work(volume: Any, spacing_mm: Any, slice_indices: Any, canal_grid: Any) -> dict[str, Any]:
    """Inputs and outputs as in the contract."""
    started_ns = time.monotonic_ns()
    found = spine.prepare(volume, admission.check(volume, spacing_mm), slice_indices, canal_grid)
    return {
        PATCHES.name: found.patches,
        LOCATION.name: found.location,
        PATCH_BOXES_MM.name: found.patch_boxes_mm,
        CENTRE_LINE_MM.name: found.centre_line_mm,
        MIDSAGITTAL.name: found.midsagittal,
        MIDSAGITTAL_MM.name: found.midsagittal_mm,
        FLAGS.name: [flag.encode() for flag in found.flags],
        CLOCK_PATCHES.name: (started_ns, time.monotonic_ns()),
    }


class TritonPythonModel:
    """As Triton's Python backend drives it."""

    def execute(self, requests: list[Any]) -> list[Any]:
        """Every request is a study."""
        return answer(SPINE_PATCHES, requests, work)
