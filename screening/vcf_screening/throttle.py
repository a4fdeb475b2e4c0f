# SPDX-License-Identifier: Apache-2.0
"""Requests a second to an archive, whatever number of workers there is: one actor gives leave for each."""

import time
from collections.abc import Callable
from typing import Any

import ray
from requests import PreparedRequest, Response, Session
from requests.adapters import HTTPAdapter

Leave = Callable[[], float]
"""Waits until a request may be sent, and returns for how long it did, in seconds."""


class Turns:
    """Hands out places in time, evenly spaced; none is saved up while nobody asks."""

    def __init__(self, per_s: float) -> None:
        self._pause_s = 1.0 / per_s
        self._next_s = 0.0

    def take(self) -> float:
        """Seconds until the caller's place."""
        now_s = time.monotonic()
        turn_s = max(now_s, self._next_s)
        self._next_s = turn_s + self._pause_s
        return turn_s - now_s


def start(per_s: float) -> Any:
    """The actor, on the node of this process's driver; it costs no processor's share."""
    return ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(Turns).remote(per_s)


def own_leave(per_s: float | None) -> Leave:
    """Leave for a process that asks alone."""
    turns = Turns(per_s) if per_s else None

    def leave() -> float:
        wait_s = turns.take() if turns else 0.0
        time.sleep(wait_s)
        return wait_s

    return leave


def leave_of(turns: Any) -> Leave:
    """Leave from the actor; at once where there is none."""

    def leave() -> float:
        if turns is None:
            return 0.0
        started_s = time.monotonic()
        time.sleep(ray.get(turns.take.remote()))
        return time.monotonic() - started_s

    return leave


class _Adapter(HTTPAdapter):  # type: ignore[misc]
    def __init__(self, leave: Callable[[], None]) -> None:
        super().__init__()
        self._leave = leave

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        self._leave()
        return super().send(request, *args, **kwargs)


class Waited:
    """Counts the seconds that a session has waited for leave."""

    def __init__(self, session: Session, leave: Leave) -> None:
        self.seconds = 0.0

        def wait() -> None:
            self.seconds += leave()

        for scheme in ("http://", "https://"):
            session.mount(scheme, _Adapter(wait))
