# SPDX-License-Identifier: Apache-2.0
"""From the members' patch probabilities to the study's score (paper §2.3, §3.3)."""

import time
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from preprocess.aggregate import study_scores
from vcf.contract import (
    FRACTURE_FINDINGS,
    MODEL_HASH,
    PATCH_PROBABILITIES,
    PATCH_SCORES,
    STAGE_TIMINGS_MS,
    STUDY_SCORE,
    THRESHOLD,
)
from vcf.serve import operating_point
from vcf.serve.step import answer


def stage_timings_ms(clock_ns: Any, started_ns: int, ended_ns: int) -> list[float]:
    """Wall time of each of the last stages, in the order of STAGES; all steps of a server read one monotonic clock."""
    marks = [*(int(ns) for ns in clock_ns), started_ns, ended_ns]
    return [(end - start) / 1e6 for start, end in pairwise(marks)]


class TritonPythonModel:
    """As Triton's Python backend drives it."""

    def initialize(self, args: Mapping[str, str]) -> None:
        """Read the operating point; the model does not load with one that belongs to other weights."""
        model = Path(args["model_repository"])
        self.point = operating_point.read(model.parent, args["model_version"], model.name)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Every request is a study."""
        return answer(FRACTURE_FINDINGS, requests, self._work)

    def _work(self, *inputs: Any) -> dict[str, Any]:
        started_ns = time.monotonic_ns()
        *members, clock_ns = inputs
        score, patch_scores, probabilities = study_scores(np.stack(members))
        timings = stage_timings_ms(clock_ns, started_ns, time.monotonic_ns())
        return {
            STUDY_SCORE.name: [score],
            THRESHOLD.name: [self.point.threshold],
            PATCH_PROBABILITIES.name: probabilities,
            PATCH_SCORES.name: patch_scores,
            MODEL_HASH.name: [self.point.weights_sha256.encode()],
            STAGE_TIMINGS_MS.name: timings,
        }
