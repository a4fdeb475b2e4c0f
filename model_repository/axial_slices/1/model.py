# SPDX-License-Identifier: Apache-2.0
"""One slice every 30 mm, as the detector sees it (paper §2.1)."""

import time
from collections.abc import Mapping
from typing import Any

from vcf_contract.contract import AXIAL_SLICES, CLOCK_SLICES, SLICE_IMAGES, SLICE_INDICES, VOLUME_SHAPE
from vcf_preprocess import admission, slices
from vcf_preprocess.cores import STUDY_THREADS
from vcf_runtime import niceness
from vcf_runtime.step import answer


def work(volume: Any, spacing_mm: Any, slice_location_mm: Any) -> dict[str, Any]:
    """Inputs and outputs as in the contract."""
    started_ns = time.monotonic_ns()
    spacing = admission.check(volume, spacing_mm)
    indices = slices.pick_body(volume, spacing, admission.location(slice_location_mm))
    images = slices.detector_images(volume, spacing, indices, threads=STUDY_THREADS)
    return {
        SLICE_IMAGES.name: images,
        SLICE_INDICES.name: indices,
        VOLUME_SHAPE.name: volume.shape,
        CLOCK_SLICES.name: (started_ns, time.monotonic_ns()),
    }


class TritonPythonModel:
    """The model as Triton's Python backend drives it."""

    def initialize(self, args: Mapping[str, str]) -> None:
        """Come after the models that only admit and refuse."""
        niceness.come_after()

    def execute(self, requests: list[Any]) -> list[Any]:
        """Every request is a study."""
        return answer(AXIAL_SLICES, requests, work)
