# SPDX-License-Identifier: Apache-2.0
"""Waiting and working at once, in threads and in an event loop."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from clients.calls import Asynchronous, Blocking, Calls, finish

Run = Callable[[Coroutine[Any, Any, Any]], Any]
WAYS = pytest.mark.parametrize(("calls", "run"), [(Blocking, finish), (Asynchronous, asyncio.run)])


@WAYS
def test_work_goes_on_while_the_other_waits(calls: Callable[[], Calls], run: Run) -> None:
    """Each lets the other go on: one after the other they would never end."""
    worked, waited = threading.Event(), threading.Event()

    def work(name: str) -> str:
        worked.set()
        assert waited.wait(20)
        return name

    async def both() -> tuple[int, str]:
        here = calls()

        async def waiting() -> int:
            assert await here.work(worked.wait, 20)
            waited.set()
            return 3

        return await here.meanwhile(waiting(), work, "done")

    assert run(both()) == (3, "done")


@WAYS
def test_error_of_the_waiting_is_raised(calls: Callable[[], Calls], run: Run) -> None:
    async def both() -> tuple[None, int]:
        async def waiting() -> None:
            raise KeyError("waiting")

        return await calls().meanwhile(waiting(), lambda: 1)

    with pytest.raises(KeyError, match="waiting"):
        run(both())


@WAYS
def test_error_of_the_work_is_raised(calls: Callable[[], Calls], run: Run) -> None:
    async def both() -> tuple[None, None]:
        async def waiting() -> None:
            return None

        def work() -> None:
            raise ValueError("work")

        return await calls().meanwhile(waiting(), work)

    with pytest.raises(ValueError, match="work"):
        run(both())
