# SPDX-License-Identifier: Apache-2.0
import os
from contextlib import suppress
from multiprocessing.connection import Connection

import numpy as np
import pytest

for module in ("onnxruntime", "openvino", "threadpoolctl"):
    pytest.importorskip(module)

from vcf_benchmarks.harness.inprocess import Pipeline  # noqa: E402
from vcf_benchmarks.harness.own_process import OwnProcess, PipelineProcess  # noqa: E402
from vcf_contract.errors import SetupError  # noqa: E402
from vcf_preprocess.geometry import Volume  # noqa: E402


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
        here = pipeline.analyze(volume).patch_scores
    assert process.scores() == pytest.approx([float(score) for score in here], abs=1e-6)


@pytest.mark.slow
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


def _silent(pipes: list[Connection]) -> None:
    """Get ready, and answer nothing until the pipe is closed."""
    pipes[0].send(None)
    with suppress(EOFError):
        while True:
            pipes[0].recv()


def _ending(pipes: list[Connection]) -> None:
    """Get ready, and end at the first question."""
    pipes[0].send(None)
    pipes[0].recv()
    os._exit(7)


def _stillborn(pipes: list[Connection]) -> None:
    """End before anything is ready."""
    os._exit(3)


def test_an_answer_that_does_not_come_is_not_waited_for() -> None:
    with OwnProcess(_silent, 1) as process, pytest.raises(SetupError, match=r"did not answer within 0\.2 s"):
        process.answer(process._here[0], 0.2)


def test_a_process_that_ends_is_said() -> None:
    with OwnProcess(_ending, 1) as process:
        process._here[0].send(None)
        with pytest.raises(SetupError, match="ended, with exit code 7"):
            process.answer(process._here[0], 60)


def test_a_process_that_does_not_get_ready_is_said() -> None:
    with pytest.raises(SetupError, match="ended, with exit code 3"):
        OwnProcess(_stillborn, 1)
