# SPDX-License-Identifier: Apache-2.0
"""The detector's answer becomes the centre line of the spinal canal (paper §2.1)."""

import time
from typing import Any

from vcf_contract.contract import CENTRE_LINE, CENTRE_LINE_MM, CLOCK_LINE, FLAGS
from vcf_preprocess import admission, spine
from vcf_runtime.step import answer


def work(volume_shape: Any, spacing_mm: Any, slice_indices: Any, canal_grid: Any, clock_ns: Any) -> dict[str, Any]:
    """Inputs and outputs as in the contract."""
    started_ns = time.monotonic_ns()
    shape = tuple(int(size) for size in volume_shape)
    line = spine.locate(shape, admission.check_shape(shape, spacing_mm), slice_indices, canal_grid)
    before = () if clock_ns is None else clock_ns
    return {
        CENTRE_LINE_MM.name: line.points_mm,
        FLAGS.name: [flag.encode() for flag in line.flags],
        CLOCK_LINE.name: (*before, started_ns, time.monotonic_ns()),
    }


class TritonPythonModel:
    """The model as Triton's Python backend drives it."""

    def execute(self, requests: list[Any]) -> list[Any]:
        """Every request is a study."""
        return answer(CENTRE_LINE, requests, work)
