# SPDX-License-Identifier: Apache-2.0
"""The in-process pipeline in a process of its own, asked through a pipe.

Beside the client in one process, its idle threads would take processor time from the client: OpenBLAS' spin for tens of
milliseconds after each product, which charged a study by Triton with up to 100 ms that serving does not cost.
"""

import time
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from preprocess.geometry import Volume

if TYPE_CHECKING:
    from benchmarks.closed_loop import Loop


@dataclass(frozen=True)
class LoopAnswers:
    """A closed loop, the patch scores of each of its studies, and the processor time of it, warm-up included."""

    loop: "Loop"
    scores: list[list[float]]
    core_s: float


class PipelineProcess:
    """A process with a volume and a ``Pipeline``, by default of the committed repository. A context manager."""

    def __init__(self, volume: Volume, repository: Path | None = None) -> None:
        context = get_context("spawn")
        self._here, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(there, volume, repository), daemon=True)
        self._process.start()
        there.close()
        self._here.recv()  # ready

    def __enter__(self) -> "PipelineProcess":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._here.close()
        self._process.join(30)
        if self._process.is_alive():
            self._process.kill()

    @property
    def pid(self) -> int:
        """Of the process."""
        assert self._process.pid is not None
        return self._process.pid

    def scores(self) -> list[float]:
        """Patch scores of the volume, with all cores at work on it. The pipe adds a tenth of a millisecond."""
        found: list[float] = self._ask(None)
        return found

    def loop(self, at_once: int, seconds: float) -> LoopAnswers:
        """A closed loop of as many studies at once, each with its share of the cores."""
        found: LoopAnswers = self._ask((at_once, seconds))
        return found

    def _ask(self, what: tuple[int, float] | None) -> Any:
        self._here.send(what)
        answer = self._here.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer


def _serve(pipe: Connection, volume: Volume, repository: Path | None) -> None:
    from benchmarks.closed_loop import closed_loop
    from benchmarks.inprocess import REPOSITORY, Pipeline
    from vcf.memory import keep_large_blocks

    keep_large_blocks()
    models = repository or REPOSITORY

    def scores(pipeline: Pipeline) -> list[float]:
        return [float(score) for score in pipeline.analyze(volume.hu, volume.spacing_mm).patch_scores]

    def loop(at_once: int, seconds: float) -> LoopAnswers:
        found: list[list[float]] = []
        with Pipeline(models, studies_at_once=at_once) as shared:
            before_s = time.process_time()  # the networks are loaded
            done = closed_loop(lambda: found.append(scores(shared)), at_once, seconds)
            return LoopAnswers(done, found, time.process_time() - before_s)

    with Pipeline(models) as pipeline, pipe:
        pipe.send(None)
        while True:
            try:
                what = pipe.recv()
            except EOFError:
                return
            try:
                pipe.send(scores(pipeline) if what is None else loop(*what))
            except Exception as error:
                pipe.send(error)
