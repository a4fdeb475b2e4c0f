# SPDX-License-Identifier: Apache-2.0
"""Look after a server: bring back a model whose process has died, and the server itself if it has."""

import subprocess
import time
from dataclasses import dataclass
from typing import NoReturn

from vcf_contract.errors import SetupError
from vcf_server.server import TritonServer
from vcf_server.watch import Log, ModelWatch

POLL_S = 0.5


@dataclass(frozen=True)
class Policy:
    """Tell what is brought back, and when to give up.

    most_deaths
        That a server may die, or fail to start again, within ``window_s``. One that dies more often has a cause that
        another start does not cure.
    first_pause_s, longest_pause_s
        Before a start: doubled with each death within the window.
    """

    models: bool = True
    server: bool = True
    most_deaths: int = 5
    window_s: float = 600.0
    first_pause_s: float = 0.5
    longest_pause_s: float = 30.0

    def pause_s(self, deaths: int) -> float:
        """Tell how long to wait after so many deaths."""
        return min(self.longest_pause_s, self.first_pause_s * 2.0 ** (deaths - 1))


class Supervisor:
    """Watches a server that has been started; the models and the server that die are started anew."""

    def __init__(self, server: TritonServer, policy: Policy = Policy(), log: Log = lambda sentence: None) -> None:
        self._server, self._policy, self._log = server, policy, log
        self._deaths_s: list[float] = []
        self._killed_for: str | None = None
        self._watch = ModelWatch(server, log)

    def run(self) -> NoReturn:
        """Watch until the server is not to be started again.

        Raises
        ------
        SetupError
            Why it ended, and that it was started again as often as it may be.
        """
        while True:
            try:
                status = self._server.wait(POLL_S)
            except subprocess.TimeoutExpired:
                if self._policy.models:
                    self._look_after_models()
            else:
                ended = f"the server ended by itself with status {status}: {self._server.last_words()}"
                reason, self._killed_for = self._killed_for or ended, None
                self._start_again(reason)

    def _look_after_models(self) -> None:
        try:
            self._watch.look()
        except SetupError as error:
            self._killed_for = str(error)
            self._server.kill()  # an end to be noticed: a server that starts anew loads all models anew

    def _start_again(self, reason: str) -> None:
        while True:
            now = time.monotonic()
            self._deaths_s = [then for then in self._deaths_s if now - then < self._policy.window_s] + [now]
            deaths = len(self._deaths_s)
            if not self._policy.server:
                raise SetupError(reason)
            if deaths > self._policy.most_deaths:
                raise SetupError(f"{reason}; that was the {deaths}th time in {self._policy.window_s / 60:.0f} minutes")
            pause_s = self._policy.pause_s(deaths)
            self._log(f"{reason}; the server is started anew in {pause_s:g} s")
            self._server.stop()
            time.sleep(pause_s)
            try:
                self._server.start()
            except SetupError as error:
                reason = str(error)
                continue
            self._watch = ModelWatch(self._server, self._log, self._watch)
            self._log(f"the server is ready again after {self._server.startup_s:.1f} s")
            return
