# SPDX-License-Identifier: Apache-2.0
"""The members' patch probabilities become the study's score (paper §2.3, §3.3)."""

import time
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from vcf_contract.contract import (
    FRACTURE_FINDINGS,
    MODEL_HASH,
    PATCH_PROBABILITIES,
    PATCH_PROBABILITY,
    PATCH_SCORES,
    STAGE_TIMINGS_MS,
    STUDY_PROBABILITY,
    STUDY_SCORE,
    THRESHOLD,
)
from vcf_contract.errors import Code, StudyRefused
from vcf_preprocess.aggregate import study_scores
from vcf_runtime import operating_point
from vcf_runtime.step import answer


def stage_timings_ms(clock_ns: Any, started_ns: int, ended_ns: int) -> list[float]:
    """Wall time of each of the last stages, in the order of STAGES; all steps of a server read one monotonic clock."""
    marks = [*(int(ns) for ns in clock_ns), started_ns, ended_ns]
    return [(end - start) / 1e6 for start, end in pairwise(marks)]


class TritonPythonModel:
    """The model as Triton's Python backend drives it."""

    def initialize(self, args: Mapping[str, str]) -> None:
        """Read the operating point; the model does not load with one that belongs to other weights."""
        model = Path(args["model_repository"])
        self.point = operating_point.read(model.parent, args["model_version"], model.name)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Every request is a study."""
        return answer(FRACTURE_FINDINGS, requests, self._work)

    def _work(self, patch_probability: Any, study_probability: Any, clock_ns: Any) -> dict[str, Any]:
        started_ns = time.monotonic_ns()
        if 0 in patch_probability.shape or patch_probability.shape[:2] != study_probability.shape:
            raise StudyRefused(
                Code.BAD_INPUT,
                f"{PATCH_PROBABILITY.name} has shape {list(patch_probability.shape)} and {STUDY_PROBABILITY.name} "
                f"{list(study_probability.shape)}, needed are as many members and flips in both, and a patch or more",
            )
        score, patch_scores, probabilities = study_scores(patch_probability, study_probability, self.point.aggregation)
        timings = stage_timings_ms(clock_ns, started_ns, time.monotonic_ns())
        return {
            STUDY_SCORE.name: [score],
            THRESHOLD.name: [self.point.threshold],
            PATCH_PROBABILITIES.name: probabilities,
            PATCH_SCORES.name: patch_scores,
            MODEL_HASH.name: [self.point.weights_sha256.encode()],
            STAGE_TIMINGS_MS.name: timings,
        }
