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
from typing import Any, Self

from vcf_benchmarks.harness.closed_loop import Loop, closed_loop
from vcf_client.memory import keep_large_blocks
from vcf_contract.errors import SetupError
from vcf_preprocess.geometry import Volume
from vcf_server.assets import MODEL_REPOSITORY

START_LIMIT_S = 300.0
"""How long such a process may take to load its networks."""
ANSWER_LIMIT_S = 600.0
"""How long one study may take, and a loop beyond its own time: no answer by then means that none will come."""
STOP_LIMIT_S = 30.0


@dataclass(frozen=True)
class LoopAnswers:
    """A closed loop, the patch scores of each of its studies, and the processor time of it, warm-up included."""

    loop: Loop
    scores: list[list[float]]
    core_s: float


class OwnProcess:
    """A process that answers through as many pipes as callers at a time, and ends when they are closed. A context
    manager.

    Parameters
    ----------
    serve
        What the process runs: gets its ends of the pipes and ``args``, and sends None through each once it is ready.

    Raises
    ------
    SetupError
        If the process ends, or does not get ready in time.
    """

    def __init__(self, serve: Callable[..., None], at_once: int, *args: Any) -> None:
        context = get_context("spawn")
        pipes = [context.Pipe() for _ in range(at_once)]
        self._process = context.Process(target=serve, args=([there for _, there in pipes], *args), daemon=True)
        self._process.start()
        self._here = [here for here, _ in pipes]
        for _, there in pipes:
            there.close()  # the process has its own; with this one open, its end would go unnoticed
        try:
            for here in self._here:
                self.answer(here, START_LIMIT_S)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process, by force if it does not end when its pipes are closed."""
        for here in self._here:
            here.close()
        self._process.join(STOP_LIMIT_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def answer(self, here: Connection, limit_s: float) -> Any:
        """Receive what the process sends next; an error that it sends is raised.

        Raises
        ------
        SetupError
            If the process has ended, or nothing comes in time.
        """
        try:
            if not here.poll(limit_s):
                raise SetupError(f"the pipeline in a process of its own did not answer within {limit_s:g} s")
            answer = here.recv()
        except (EOFError, ConnectionResetError):
            self._process.join(STOP_LIMIT_S)
            raise SetupError(
                f"the pipeline in a process of its own ended, with exit code {self._process.exitcode}"
            ) from None
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def pid(self) -> int:
        """Its id."""
        assert self._process.pid is not None
        return self._process.pid


class PipelineProcess(OwnProcess):
    """A process with a volume and a ``Pipeline``, by default of the committed repository."""

    def __init__(self, volume: Volume, repository: Path | None = None) -> None:
        super().__init__(_serve, 1, volume, repository)

    def scores(self) -> list[float]:
        """Return the volume's patch scores, with all cores at work on it. The pipe adds a tenth of a millisecond."""
        found: list[float] = self._ask(None, ANSWER_LIMIT_S)
        return found

    def loop(self, at_once: int, seconds: float) -> LoopAnswers:
        """Run a closed loop of as many studies at once, each with its share of the cores."""
        found: LoopAnswers = self._ask((at_once, seconds), seconds + START_LIMIT_S + ANSWER_LIMIT_S)
        return found

    def _ask(self, what: tuple[int, float] | None, limit_s: float) -> Any:
        (here,) = self._here
        here.send(what)
        return self.answer(here, limit_s)


def _serve(pipes: list[Connection], volume: Volume, repository: Path | None) -> None:
    # The runtimes of the networks are loaded in this process alone, not in the client's.
    from vcf_benchmarks.harness.inprocess import Pipeline  # noqa: PLC0415

    keep_large_blocks()
    (pipe,) = pipes
    models = repository or MODEL_REPOSITORY

    def scores(pipeline: Pipeline) -> list[float]:
        return [float(score) for score in pipeline.analyze(volume).patch_scores]

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
