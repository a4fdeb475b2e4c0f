# SPDX-License-Identifier: Apache-2.0
"""The run: studies are given to Ray, as many as keep its processors busy, and their rows are written as they come.

Ray places the tasks, moves them past nodes that are gone and holds back what has no room yet. What it cannot know is
kept here: which studies are done, how often each was tried, and how long to wait before the next attempt. So a task is
not retried by Ray, which would do it at once and count for itself.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import ray
from ray.exceptions import RayError

from vcf_client.gateway.backoff import Backoff
from vcf_screening import cluster, rows
from vcf_screening.dataset import Dataset
from vcf_screening.failures import WORKER_LOST, Failure
from vcf_screening.manifest import Entry
from vcf_screening.rows import Row
from vcf_screening.waiting import Attempt, Waiting
from vcf_screening.window import Window
from vcf_screening.work import Result, Settings, screen_study

_LOOK_S = 1.0
"""So often the number of processors is asked for, progress is told, and pauses are looked at, when nothing comes."""
_AHEAD = 2
"""Tasks given out for each that may run: the next is there when one ends."""
_LEAST_AHEAD = 16
Screen = Callable[..., Result]


@dataclass(frozen=True)
class Plan:
    """Tell how a run goes about it.

    at_once
        Studies in flight for each processor of the cluster: while one waits for the server, another is read.
    resource
        Custom resource of Ray that marks the nodes which may work, such as those next to the data.
    max_attempts
        After so many that count, a study is given up for this run.
    """

    at_once: int = 2
    resource: str = ""
    max_attempts: int = 5
    backoff: Backoff = field(default_factory=lambda: Backoff(2.0, 300.0))
    window: Window | None = None


@dataclass
class Progress:
    """Tell how far a run has come."""

    total: int
    before: int = 0
    analysed: int = 0
    positive: int = 0
    refused: int = 0
    failed: int = 0
    waiting: int = 0
    closed_s: float = 0.0

    @property
    def answered(self) -> int:
        """Studies of this run that have their row."""
        return self.analysed + self.refused


class Run:
    """One run over a list of studies."""

    def __init__(
        self,
        dataset: Dataset,
        failed: Dataset,
        settings: Settings,
        plan: Plan,
        progress: Progress,
        *,
        turns: Any = None,
        keep_picture: Callable[[str, bytes], None] = lambda study, png: None,
        tell: Callable[[Progress], None] = lambda progress: None,
        screen: Screen = screen_study,
    ) -> None:
        self._dataset, self._failed, self._settings, self._plan = dataset, failed, settings, plan
        self._progress, self._keep_picture, self._tell = progress, keep_picture, tell
        self._waiting = Waiting(plan.backoff)
        self._running: dict[Any, Attempt] = {}
        self._turns = turns
        share = {plan.resource: 0.001} if plan.resource else None
        self._task = ray.remote(
            num_cpus=1 / plan.at_once, max_retries=0, scheduling_strategy="SPREAD", resources=share
        )(screen)
        self._shared = ray.put(settings)
        self._room, self._looked_s = 0, -math.inf

    def go(self, studies: Iterator[tuple[str, Entry]]) -> Progress:
        """Screen all studies that are not done; when this returns each has a row, or is among those that failed."""
        more = True
        while more or self._running or self._waiting:
            wait_s = self._plan.window.wait_s(datetime.now()) if self._plan.window else 0.0
            self._progress.closed_s = wait_s
            if not wait_s:
                more = self._give_out(studies, more)
            self._take(wait_s)
        self._tell(self._progress)
        return self._progress

    def _give_out(self, studies: Iterator[tuple[str, Entry]], more: bool) -> bool:
        """Fill the room there is: first with what is to be tried again; False once the list has come to its end."""
        room = self._look() - len(self._running)
        if room <= 0:
            return more
        for attempt in self._waiting.due(time.monotonic()):
            self._start(attempt)
            room -= 1
            if room <= 0:
                return more
        # What fails while nothing can be reached must not pile up: the rest of the list waits as well.
        while more and room > 0 and len(self._waiting) < self._room:
            found = next(studies, None)
            if found is None:
                return False
            self._start(Attempt(*found))
            room -= 1
        return more

    def _look(self) -> int:
        """Tell how many tasks may be out, told now and then, as is the progress."""
        now_s = time.monotonic()
        if now_s - self._looked_s > _LOOK_S:
            self._looked_s = now_s
            self._room = max(_LEAST_AHEAD, _AHEAD * self._plan.at_once * cluster.processors())
            self._progress.waiting = len(self._waiting)
            self._tell(self._progress)
        return self._room

    def _start(self, attempt: Attempt) -> None:
        attempt.attempts += 1
        attempt.answered_before = self._progress.answered
        self._running[self._task.remote(attempt.study, attempt.entry, self._shared, self._turns)] = attempt

    def _take(self, closed_s: float) -> None:
        """Wait for what is ready, and write it down."""
        if not self._running:
            pause_s = self._waiting.next_s(time.monotonic())
            time.sleep(min(_LOOK_S, closed_s or _LOOK_S if pause_s is None else max(pause_s, closed_s)))
            self._look()
            return
        ready, rest = ray.wait(list(self._running), num_returns=1, timeout=_LOOK_S)
        if ready and rest:
            ready += ray.wait(rest, num_returns=len(rest), timeout=0)[0]
        answered: list[Row] = []
        given_up: list[Row] = []
        for task in ready:
            attempt = self._running.pop(task)
            try:
                result: Result = ray.get(task)
            except RayError:
                result = Result(failure=WORKER_LOST)
            if result.failure:
                self._again(attempt, result.failure, answered, given_up)
            elif result.row:
                if result.picture:
                    self._keep_picture(attempt.study, result.picture)
                answered.append({**result.row, "attempts": attempt.attempts})
        self._dataset.add(answered)
        self._failed.add(given_up)
        for row in answered:
            self._progress.analysed += row["state"] == rows.ANALYSED
            self._progress.refused += row["state"] == rows.REFUSED
            self._progress.positive += bool(row.get("positive"))
        self._progress.failed += len(given_up)
        self._look()

    def _again(self, attempt: Attempt, failure: Failure, answered: list[Row], given_up: list[Row]) -> None:
        attempt.failed(failure, self._progress.answered)
        if attempt.counted < self._plan.max_attempts:
            self._waiting.put(attempt, time.monotonic())
            return
        state, those = (rows.REFUSED, answered) if failure.is_refusal else (rows.FAILED, given_up)
        row = rows.answered_without_score(
            attempt.study, state, self._settings.model_hash, failure.code, failure.sentence
        )
        those.append({**row, "attempts": attempt.attempts})
