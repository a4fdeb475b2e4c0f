# SPDX-License-Identifier: Apache-2.0
"""The in-process pipeline in a process of its own, asked through a pipe.

Beside the client in one process, its idle threads would take processor time from the client: OpenBLAS' spin for tens of
milliseconds after each product, which charged a study by Triton with up to 100 ms that serving does not cost.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from preprocess.geometry import Volume

if TYPE_CHECKING:
    from benchmarks.closed_loop import Loop


@dataclass(frozen=True)
class LoopAnswers:
    """A closed loop, the patch scores of each of its studies, and the processor time of it, warm-up included."""

    loop: "Loop"
    scores: list[list[float]]
    core_s: float


class OwnProcess:
    """A process that answers through as many pipes as callers at a time, and ends when they are closed. A context
    manager.

    Parameters
    ----------
    serve
        What the process runs: gets its ends of the pipes and ``args``, and sends None through each once it is ready.
    """

    def __init__(self, serve: Callable[..., None], at_once: int, *args: Any) -> None:
        context = get_context("spawn")
        pipes = [context.Pipe() for _ in range(at_once)]
        self._process = context.Process(target=serve, args=([there for _, there in pipes], *args), daemon=True)
        self._process.start()
        self._here = [here for here, _ in pipes]
        for here, there in pipes:
            there.close()
            here.recv()  # ready

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for here in self._here:
            here.close()
        self._process.join(30)
        if self._process.is_alive():
            self._process.kill()

    @property
    def pid(self) -> int:
        """Of the process."""
        assert self._process.pid is not None
        return self._process.pid


class PipelineProcess(OwnProcess):
    """A process with a volume and a ``Pipeline``, by default of the committed repository."""

    def __init__(self, volume: Volume, repository: Path | None = None) -> None:
        super().__init__(_serve, 1, volume, repository)

    def scores(self) -> list[float]:
        """Patch scores of the volume, with all cores at work on it. The pipe adds a tenth of a millisecond."""
        found: list[float] = self._ask(None)
        return found

    def loop(self, at_once: int, seconds: float) -> LoopAnswers:
        """A closed loop of as many studies at once, each with its share of the cores."""
        found: LoopAnswers = self._ask((at_once, seconds))
        return found

    def _ask(self, what: tuple[int, float] | None) -> Any:
        (here,) = self._here
        here.send(what)
        answer = here.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer


def _serve(pipes: list[Connection], volume: Volume, repository: Path | None) -> None:
    from benchmarks.closed_loop import closed_loop
    from benchmarks.inprocess import REPOSITORY, Pipeline
    from vcf.memory import keep_large_blocks

    keep_large_blocks()
    (pipe,) = pipes
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
