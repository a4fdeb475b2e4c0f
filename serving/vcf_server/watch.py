# SPDX-License-Identifier: Apache-2.0
"""Look after the Python models of a running server: one whose process has died is loaded anew.

Triton notices a dead stub at the next request, fails that request and every later one, and says that it is ready all
the same. Out of memory is the usual cause, and no reason for all studies to fail until somebody comes.
"""

from collections import Counter
from collections.abc import Callable
from typing import Protocol

from vcf_contract.errors import SetupError
from vcf_server import processes, tables

Log = Callable[[str], None]


class Models(Protocol):
    """The models of a server that is ready."""

    @property
    def shm_prefix(self) -> str:
        """Tell by which prefix the server's processes are known."""

    def is_loaded(self, model: str) -> bool:
        """Tell whether Triton has the model; not so if somebody has unloaded it."""

    def reload(self, model: str) -> None:
        """Load a model anew, one of whose processes has died; SetupError where that fails."""


class ModelWatch:
    """Knows the processes that the models have now; what is missing of them later has died.

    before
        The watch over the same models when the server ran before: a model that had processes then, and has none, has
        lost them since the server is ready again.
    """

    def __init__(self, models: Models, log: Log, before: "ModelWatch | None" = None) -> None:
        self._models, self._log = models, log
        self._triton = 0
        self._know()
        self._expected = Counter(self._stubs.values())
        if before:  # how many a model has may be another number now
            for model in before._expected.keys() - self._expected.keys():
                self._expected[model] = before._expected[model]

    def look(self) -> None:
        """Bring back the models that lack a process, which takes seconds. To be called about twice a second.

        Raises
        ------
        SetupError
            If one cannot be loaded anew, or owed answers that it had put off: then only a new server is of use.
        """
        if not processes.runs(self._triton):
            return  # its stubs end with it, and whoever waits for it will know
        if not self._lost():
            return
        self._know()  # somebody may have loaded a model anew
        lost = [model for model in self._lost() if self._models.is_loaded(model)]
        if lost and tables.the_dead_owe_answers(self._models.shm_prefix):
            raise SetupError(
                f"a process of the model {lost[0]} has ended that owed answers, for which the callers would wait until "
                "their deadlines"
            )
        for model in lost:
            self._log(f"a process of the model {model} has ended; the model is loaded anew")
            try:
                self._models.reload(model)
            except SetupError as error:
                raise SetupError(f"the model {model} cannot be loaded anew: {error}") from None
            self._log(f"the model {model} is back")
        if lost:
            self._know()  # another one may have died meanwhile: it is missing then, and expected

    def _lost(self) -> list[str]:
        running = Counter(model for pid, model in self._stubs.items() if processes.runs(pid))
        return sorted(self._expected - running)

    def _know(self) -> None:
        self._stubs = processes.stubs(self._models.shm_prefix)
        if self._stubs:  # without any it is the same process all the same
            self._triton = processes.parent(next(iter(self._stubs)))
