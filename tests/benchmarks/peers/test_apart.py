# SPDX-License-Identifier: Apache-2.0
"""The pipeline in another process answers as the pipeline here does, to several callers at a time."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("openvino")

from vcf_benchmarks.harness.inprocess import Pipeline
from vcf_benchmarks.peers.apart import PipelineApart
from vcf_contract.errors import Code, StudyRefused
from vcf_preprocess.geometry import Volume


def study(seed: int, slices: int = 40) -> Any:
    hu = np.random.default_rng(seed).integers(-200, 800, (slices, 128, 128)).astype(np.int16)
    return SimpleNamespace(volume=Volume(hu, (4.0, 1.5, 1.5), np.eye(4)))


def test_each_caller_gets_the_answer_to_its_own_study(tiny_repository: Path) -> None:
    """Or its refusal: made-up networks may find no spine in noise."""

    def of(analyze: Any, one: Any) -> Any:
        try:
            return analyze(one)
        except StudyRefused as refusal:
            return str(refusal)

    studies = [study(seed) for seed in range(3)]
    with Pipeline(tiny_repository) as here:

        def directly(one: Any) -> Any:
            scores = here.analyze(one.volume)
            return scores.study_score, scores.patch_scores.tolist()

        expected = [of(directly, one) for one in studies]
    with PipelineApart(tiny_repository, 2) as apart, ThreadPoolExecutor(4) as callers:
        found = list(callers.map(lambda one: of(apart.scores, one), studies * 4))
        with pytest.raises(StudyRefused) as refused:
            apart.scores(study(0, slices=3))
        assert refused.value.code == Code.TOO_SHORT
    for answer, right in zip(found, expected * 4, strict=True):
        if isinstance(right, str):
            assert answer == right
        else:
            assert answer[0] == pytest.approx(right[0], abs=1e-5)
            assert answer[1] == pytest.approx(right[1], abs=1e-5)
