# SPDX-License-Identifier: Apache-2.0
"""Waiting and working at once, in threads and in an event loop."""

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar

import pytest

from vcf_client.calls import Asynchronous, Blocking, Calls, finish

Run = Callable[[Coroutine[Any, Any, Any]], Any]
WAYS = pytest.mark.parametrize(("calls", "run"), [(Blocking, finish), (Asynchronous, asyncio.run)])


@WAYS
def test_work_goes_on_while_the_other_waits(calls: Callable[[], Calls], run: Run) -> None:
    """Each lets the other go on: one after the other they would never end."""
    worked, waited = threading.Event(), threading.Event()

    def work(name: str) -> str:
        worked.set()
        assert waited.wait(120)
        return name

    async def both() -> tuple[int, str]:
        here = calls()

        async def waiting() -> int:
            assert await here.work(worked.wait, 120)
            waited.set()
            return 3

        return await here.meanwhile(waiting(), work, "done")

    assert run(both()) == (3, "done")


@pytest.mark.slow
def test_sent_calls_are_held_until_they_are_answered() -> None:
    """gRPC cancels a call that nobody holds."""

    class Answer:
        def add_done_callback(self, done: Callable[[Any], None]) -> None:
            self.done = done

    class Method:
        answers: ClassVar[list[weakref.ref[Answer]]] = []

        def future(self, *_: object, **__: object) -> Answer:
            answer = Answer()
            self.answers.append(weakref.ref(answer))
            return answer

    calls = Blocking()
    finish(calls.send(Method(), b"", 1.0, (), 0.0))
    gc.collect()
    answer = Method.answers[0]()
    assert answer is not None
    answer.done(answer)
    del answer
    gc.collect()
    assert Method.answers[0]() is None


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
