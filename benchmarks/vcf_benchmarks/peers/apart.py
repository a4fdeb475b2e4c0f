# SPDX-License-Identifier: Apache-2.0
"""The pipeline in a process of its own, for several callers at once.

Beside the client its idle threads spin: a study by Triton then took 105 ms of the client's processor time, not 45.
"""

import threading
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue

from vcf_benchmarks.harness.own_process import ANSWER_LIMIT_S, OwnProcess
from vcf_client.study import Study


class PipelineApart(OwnProcess):
    """Each caller at a time has a thread of the process; all share one `Pipeline`.

    A study is sent once; from then on its number is.
    """

    def __init__(self, models: Path, at_once: int) -> None:
        super().__init__(_serve, at_once, models)
        self._free: SimpleQueue[Connection] = SimpleQueue()
        for here in self._here:
            self._free.put(here)
        self._sent: dict[int, tuple[int, Study]] = {}
        self._sending = threading.Lock()

    def scores(self, study: Study) -> tuple[float, list[float]]:
        """Study score and patch scores. May be called by as many threads as there are callers; more wait."""
        connection = self._free.get()
        try:
            with self._sending:
                known = id(study) in self._sent
                number, _ = self._sent.setdefault(id(study), (len(self._sent), study))
                connection.send((number, None if known else study))
            found: tuple[float, list[float]] = self.answer(connection, ANSWER_LIMIT_S)
        finally:
            self._free.put(connection)
        return found


def _serve(pipes: list[Connection], models: Path) -> None:
    # The runtimes are loaded in this process alone, not in the client's.
    from vcf_benchmarks.harness.inprocess import Pipeline  # noqa: PLC0415

    studies: dict[int, Study] = {}
    arrived = threading.Condition()

    def answer(pipe: Connection) -> None:
        pipe.send(None)
        while True:
            try:
                number, study = pipe.recv()
            except EOFError:
                return
            with arrived:
                if study is not None:
                    studies[number] = study
                    arrived.notify_all()
                while number not in studies:
                    arrived.wait()
            try:
                scores = pipeline.analyze(studies[number].volume)
                pipe.send((scores.study_score, scores.patch_scores.tolist()))
            except Exception as error:
                pipe.send(error)

    with Pipeline(models, studies_at_once=len(pipes)) as pipeline:
        threads = [threading.Thread(target=answer, args=(pipe,)) for pipe in pipes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
