# SPDX-License-Identifier: Apache-2.0
"""Tell which studies are taken, and which of them count: what the model ``admission`` and the steps of a study do
alike."""

import json
import time
from collections.abc import Sequence
from typing import Any

from vcf_contract.contract import (
    ANSWERED_BY,
    CENTRE_LINE,
    COUNTED_BY,
    MOST_ROUTINE,
    MOST_URGENT,
    SELF_TEST,
    SPINE_PATCHES,
    Model,
    Priority,
)
from vcf_contract.errors import DeadlineExceeded, Overloaded
from vcf_runtime import deadline, load_metrics
from vcf_runtime.deadline import key_of
from vcf_runtime.studies import EMPTY, LEFT, STUDIES, key_at

_COUNTED_BY = frozenset(model.name for model in COUNTED_BY)
_UNASKED_US = 10_000_000
"""How long a study counts at most that did not ask: it may be one step called by itself, which no other ends."""
_warmed_up: set[str] = set()
"""Models of this process that have had a request. The first one is Triton's warm-up, which no step answers."""


def limit(model_config: str) -> None:
    """Take the limits from the configuration of ``admission``.

    Raises
    ------
    ValueError
        If a number is missing or makes no sense.
    """
    parameters = json.loads(model_config).get("parameters", {})
    most = []
    for name in (MOST_ROUTINE, MOST_URGENT):
        text = parameters.get(name, {}).get("string_value", "")
        if not text.isdecimal():
            raise ValueError(f"the parameter {name} must be a number, found {text!r}")
        most.append(int(text))
    STUDIES.limit(most[0], sum(most))
    load_metrics.begin()


def admit(request_id: str, timeout_us: int, priority: Priority) -> int:
    """Take a study whose requests have this id; how many are taken then. Its time begins.

    Raises
    ------
    Overloaded
        If there is no room.
    StudyRefused
        For a timeout that makes no sense.
    """
    deadline.check_timeout(timeout_us)
    try:
        count = STUDIES.take(key_of(request_id), timeout_us, urgent=priority is Priority.URGENT)
    except Overloaded:
        load_metrics.count_refusal(priority)
        raise
    deadline.DEADLINES.begin(request_id, timeout_us)
    return count


def leave(request_id: str) -> int:
    """Give a study up: it counts no more, and none of its steps begins; how many are taken then."""
    count = STUDIES.leave(key_of(request_id))
    deadline.DEADLINES.end(request_id)
    return count


def fail(request: Any) -> None:
    """Take a study out that failed in a network, which sees no clock: by the request's id, if it has one."""
    if request.request_id():
        STUDIES.failed(key_of(request.request_id()))


class Visit:
    """One study at one step. Without an id it is known by the first mark of the clock that its steps hand on."""

    def __init__(self, model: Model, request: Any, clocks: Sequence[Any]) -> None:
        self._model = model
        self._id = request.request_id()
        self._timeout_us = request.timeout()
        self._unasked_us = min(self._timeout_us or _UNASKED_US, _UNASKED_US)
        marks = next((clock for clock in clocks if clock is not None and len(clock)), None)
        self._first = marks is None
        self._counts = model.name in _COUNTED_BY and (model.name in _warmed_up or not model.warms_up)
        self._counts &= self._id != SELF_TEST
        _warmed_up.add(model.name)
        self._key = key_of(self._id) if self._id else key_at(time.monotonic_ns() if marks is None else int(marks[0]))

    def begin(self, request: Any) -> None:
        """Call before any work.

        Raises
        ------
        DeadlineExceeded
            If the study's time is over or its caller has gone.
        Overloaded
            If it did not ask for admission, and there is no room.
        """
        self._enter(request)
        if self._id and self._model.name == SPINE_PATCHES.name:
            STUDIES.waits(self._key)

    def _enter(self, request: Any) -> None:
        if not self._first:
            deadline.check(request, self._model.name)
            return
        if self._id == SELF_TEST:
            STUDIES.show()
        state = STUDIES.state(self._key) if self._id else EMPTY
        known = state != EMPTY
        if state == LEFT:
            raise DeadlineExceeded(f"{DeadlineExceeded.CODE}: the caller left before {self._model.name} began")
        if known:  # its time runs already
            deadline.DEADLINES.shorten(self._id, self._timeout_us)
        deadline.check(request, self._model.name, first=not known)
        if self._counts and not known:
            try:
                STUDIES.take(self._key, self._unasked_us)
            except Overloaded:
                load_metrics.count_refusal(Priority.ROUTINE)
                raise

    def done(self, first_mark_ns: int | None) -> None:
        """Call after the work, with the first mark of the clock that goes on, if one does."""
        if self._model.name == ANSWERED_BY.name:
            STUDIES.answered(self._key)
        elif self._id and self._model.name == CENTRE_LINE.name:
            STUDIES.begins(self._key)  # its caller may be long in sending the rest
        elif self._first and not self._id and first_mark_ns is not None and self._counts:
            STUDIES.rename(self._key, key_at(first_mark_ns), self._unasked_us)

    def failed(self) -> None:
        """Call if the step failed or refused the study: no other step will see it."""
        STUDIES.failed(self._key)
