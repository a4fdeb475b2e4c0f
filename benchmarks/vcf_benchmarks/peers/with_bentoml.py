# SPDX-License-Identifier: Apache-2.0
"""BentoML: a service with a worker process a core; the volume arrives as a file of a multipart form.

Written after BentoML's "Define input and output types" (a file is a ``pathlib.Path``) and "Parallelize requests
handling" (``workers``). Started by ``bentoml serve``.
"""

from pathlib import Path
from typing import Any

import bentoml

from vcf_benchmarks.peers.pipeline import Pipeline, workers


@bentoml.service(name="vcf", workers=workers(), traffic={"timeout": 600})
class Analyser:
    """One a worker process."""

    def __init__(self) -> None:
        self.pipeline = Pipeline.from_environment()

    @bentoml.api  # type: ignore[untyped-decorator]
    def analyze(
        self, volume: Path, shape: list[int], spacing_mm: list[float], slice_location_mm: float
    ) -> dict[str, Any]:
        """Findings of the volume in the file."""
        return self.pipeline(volume.read_bytes(), shape, spacing_mm, slice_location_mm)
