# SPDX-License-Identifier: Apache-2.0
import os

import numpy as np
import pytest

for module in ("onnxruntime", "openvino", "threadpoolctl"):
    pytest.importorskip(module)

from benchmarks.inprocess import Pipeline  # noqa: E402
from benchmarks.own_process import PipelineProcess  # noqa: E402
from preprocess.geometry import Volume  # noqa: E402


@pytest.fixture(scope="module")
def volume() -> Volume:
    hu = np.random.default_rng(7).integers(-200, 600, (40, 96, 96)).astype(np.int16)
    return Volume(hu, (5.0, 3.0, 3.0), np.diag([3.0, 3.0, 5.0, 1.0]))


@pytest.fixture(scope="module")
def process(tiny_repository, volume):
    with PipelineProcess(volume, tiny_repository) as made:
        yield made


def test_scores_are_those_of_the_pipeline_here(process, tiny_repository, volume) -> None:
    with Pipeline(tiny_repository) as pipeline:
        here = pipeline.analyze(volume.hu, volume.spacing_mm).patch_scores
    assert process.scores() == pytest.approx([float(score) for score in here], abs=1e-6)


def test_every_study_of_a_loop_is_answered_for(process) -> None:
    found = process.loop(2, 0.5)
    assert found.loop.at_once == 2 and len(found.scores) >= len(found.loop.latencies_ms) > 0
    assert all(scores == pytest.approx(process.scores(), abs=1e-6) for scores in found.scores)


def test_an_error_there_is_raised_here_and_the_process_goes_on(process) -> None:
    with pytest.raises(ValueError, match="studies_at_once"):
        process.loop(0, 0.1)
    assert process.scores()


def test_it_ends_with_its_context(tiny_repository, volume) -> None:
    with PipelineProcess(volume, tiny_repository) as made:
        pid = made.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
