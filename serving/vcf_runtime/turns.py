# SPDX-License-Identifier: Apache-2.0
"""Tell how urgent studies overtake at the patch encoder, which studies wait for without a GPU.

Triton's own priorities would do it, at a price: with them it hands out work only to an idle instance, and it misses
the moment at which one becomes idle until the next request comes or half a second has passed (2.51; `URGENT_FIRST` in
``vcf_export.config``). Without, it hands work out in its order. While an urgent study is on its way here, those before
it are put aside and answered behind it, by Triton's response senders.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import triton_python_backend_utils as pb_utils

from vcf_runtime.deadline import key_of
from vcf_runtime.studies import Studies

PATIENCE_S = 1.0
"""How long requests lie aside at most after the first of them: an urgent study that has not come by then has gone."""
Work = Callable[[Any], Any]


class Turns:
    """The requests to one model, one at a time."""

    def __init__(self, studies: Studies, patience_s: float = PATIENCE_S) -> None:
        self._studies = studies
        self._patience_s = patience_s
        self._aside: deque[tuple[float, Any, Any, Work]] = deque()
        self._timer: threading.Timer | None = None
        self._one_at_a_time = threading.Lock()

    def answer(self, request: Any, work: Work) -> Any:
        """The response that ``work`` gives to a request, or None if it was sent or will be."""
        with self._one_at_a_time:
            key = key_of(request.request_id()) if request.request_id() else 0
            if self._studies.is_overtaken(key):
                self._put_aside(request, work)
            elif self._studies.begins(key):
                if not self._aside:
                    return work(request)
                _send(request, request.get_response_sender(), work)
                self._answer_those_aside()
            else:
                self._answer_those_aside()  # whom they were to wait for has gone
                if not self._aside:
                    return work(request)
                self._put_aside(request, work)
            return None

    def _put_aside(self, request: Any, work: Work) -> None:
        self._aside.append((time.monotonic(), request, request.get_response_sender(), work))
        if self._timer is None:
            self._look_in(self._patience_s)

    def _answer_those_aside(self) -> None:
        while self._aside and not self._studies.is_overtaken(0):
            _, request, sender, work = self._aside.popleft()
            _send(request, sender, work)

    def _look_in(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._look)
        self._timer.daemon = True
        self._timer.start()

    def _look(self) -> None:
        with self._one_at_a_time:
            self._timer = None
            if self._aside and time.monotonic() - self._aside[0][0] >= self._patience_s:
                self._studies.nobody_waits()
                self._answer_those_aside()
            if self._aside:
                self._look_in(max(0.0, self._aside[0][0] + self._patience_s - time.monotonic()))


def _send(request: Any, sender: Any, work: Work) -> None:
    try:
        sender.send(work(request), flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
    except Exception as error:  # those behind it shall have theirs
        pb_utils.Logger.log_error(f"a response could not be sent: {type(error).__name__}")
