# SPDX-License-Identifier: Apache-2.0
"""Tell how urgent studies overtake at the patch encoder, which studies wait for without a GPU.

Triton's own priorities would do it, at a price: with them it hands out work only to an idle instance, and it misses
the moment at which one becomes idle until the next request comes or half a second has passed (2.51; `URGENT_FIRST` in
``vcf_export.config``). Without, it hands work out in its order. While an urgent study is on its way here, those before
it are put aside and answered behind it, by Triton's response senders; one that is being worked on, between two passes.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import triton_python_backend_utils as pb_utils

from vcf_runtime.deadline import key_of
from vcf_runtime.owed import Owed
from vcf_runtime.studies import NEXT, Studies

PATIENCE_S = 1.0
"""How long the first of those aside lets others go before it, and how long one that never comes is expected."""
LOOKS_EVERY_S = 0.05
Work = Generator[None, None, Any]
"""What a request takes: it yields where it may give way, and returns the response."""


@dataclass(frozen=True)
class Aside:
    """A request that gave way, and what is left to do for it."""

    sender: Any
    work: Work


class Turns:
    """The requests to one model, one at a time."""

    def __init__(self, studies: Studies, patience_s: float = PATIENCE_S, owed: Owed | None = None) -> None:
        self._studies = studies
        self._patience_s = patience_s
        self._owed = owed or Owed()
        self._aside: deque[Aside] = deque()
        self._first_since_s = 0.0
        self._expected_since_s: dict[int, float] = {}
        self._timer: threading.Timer | None = None
        self._one_at_a_time = threading.Lock()

    def answer(self, request: Any, work: Work) -> Any:
        """The response that ``work`` gives to a request, or None if it was sent or will be."""
        with self._one_at_a_time:
            key = key_of(request.request_id()) if request.request_id() else 0
            urgent = self._studies.urgent()
            if key not in urgent:
                self._answer_those_aside()
                if self._aside or self._is_expected() or not (done := _run(work, self._is_expected)):
                    self._put_aside(request, work)
                    return None
                return done[0]
            if urgent[key] == NEXT:
                self._studies.begins(key)
            (response,) = _run(work)
            if not self._aside:
                return response
            _send(request.get_response_sender(), response)
            self._answer_those_aside()
            return None

    def _is_expected(self) -> bool:
        """Tell whether an urgent study is about to come."""
        return NEXT in self._studies.urgent().values()

    def _put_aside(self, request: Any, work: Work) -> None:
        self._owed.show(True)
        aside = Aside(request.get_response_sender(), work)
        self._look_later()
        if not self._aside:
            self._first_since_s = time.monotonic()
        self._aside.append(aside)

    def _answer_those_aside(self) -> None:
        """Answer them until an urgent study is expected, and then the one that has waited too long for others."""
        while self._aside:
            first = self._aside[0]
            waited = time.monotonic() - self._first_since_s >= self._patience_s
            expected = self._is_expected()
            if expected and not waited:
                return
            done = _run(first.work) if waited else _run(first.work, self._is_expected)
            if not done:
                return
            self._aside.popleft()
            self._first_since_s = time.monotonic()
            _send(first.sender, done[0])
            self._owed.show(bool(self._aside))
            if expected:
                return

    def _look_later(self) -> None:
        if self._timer is None:
            timer = threading.Timer(LOOKS_EVERY_S, self._look)
            timer.daemon = True
            timer.start()
            self._timer = timer

    def _look(self) -> None:
        """Look after those aside, should no other request come."""
        with self._one_at_a_time:
            self._timer = None
            self._expect_no_longer()
            self._answer_those_aside()
            if self._aside:
                self._look_later()

    def _expect_no_longer(self) -> None:
        """Wait no more for urgent studies that are long in coming: their callers have gone."""
        now = time.monotonic()
        expected = {key for key, state in self._studies.urgent().items() if state == NEXT}
        self._expected_since_s = {key: self._expected_since_s.get(key, now) for key in expected}
        for key, since_s in self._expected_since_s.items():
            if now - since_s >= self._patience_s:
                self._studies.begins(key)


def _run(work: Work, gives_way: Callable[[], bool] = lambda: False) -> tuple[Any, ...]:
    """The response that work comes to, in a tuple that is empty where the work gave way before its end."""
    try:
        while True:
            next(work)
            if gives_way():
                return ()
    except StopIteration as end:
        return (end.value,)
    except Exception as error:
        text = f"the request failed: {type(error).__name__}"
        return (pb_utils.InferenceResponse(error=pb_utils.TritonError(text, pb_utils.TritonError.INTERNAL)),)


def _send(sender: Any, response: Any) -> None:
    try:
        sender.send(response, flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
    except Exception as error:  # those behind it shall have theirs
        pb_utils.Logger.log_error(f"a response could not be sent: {type(error).__name__}")
