# SPDX-License-Identifier: Apache-2.0
"""Many studies at a time: all outcomes, in order, never more at once than allowed."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.clients.conftest import FakeTriton
from vcf_client import AsyncVcfClient, Outcome, Study, VcfClient
from vcf_contract.errors import Code, ServerFailed, StudyRefused

Many = Callable[..., list[Outcome]]


@pytest.fixture(params=["sync", "async"])
def many(request: pytest.FixtureRequest) -> Many:
    def blocking(address: str, studies: Any, **options: Any) -> list[Outcome]:
        with VcfClient(address) as client:
            return list(client.analyze_many(studies, **options))

    async def waiting(address: str, studies: Any, **options: Any) -> list[Outcome]:
        async with AsyncVcfClient(address) as client:
            return [outcome async for outcome in client.analyze_many(studies, **options)]

    return blocking if request.param == "sync" else lambda *args, **options: asyncio.run(waiting(*args, **options))


@pytest.fixture
def numbered(study: Study) -> list[Study]:
    return [replace(study, series_id=f"series{number}") for number in range(7)]


def test_outcomes_come_in_order_whatever_ends_first(fake_triton: FakeTriton, many: Many, numbered: list[Study]) -> None:
    good = fake_triton.reply

    def reply(request: Any, context: Any) -> Any:
        if request.id.startswith("series0"):
            time.sleep(0.3)
        return good(request, context)

    fake_triton.reply = reply
    done: list[int] = []
    outcomes = many(fake_triton.address, numbered, concurrency=2, progress=done.append)
    assert [o.number for o in outcomes] == list(range(7))
    assert [o.result().series_id for o in outcomes] == [s.series_id for s in numbered]
    assert done == [1, 2, 3, 4, 5, 6, 7]


def test_a_bad_study_stops_no_other(fake_triton: FakeTriton, many: Many, numbered: list[Study], tmp_path: Any) -> None:
    good = fake_triton.reply

    def reply(request: Any, context: Any) -> Any:
        if request.id.startswith("series3"):
            import grpc

            context.abort(grpc.StatusCode.INTERNAL, "stub died")
        return good(request, context)

    fake_triton.reply = reply
    outcomes = many(fake_triton.address, [tmp_path / "absent", None, *numbered])
    refused, defect, *others = outcomes
    assert isinstance(refused.error, StudyRefused) and refused.error.code is Code.NO_IMAGES
    assert defect.error is not None and defect.findings is None
    assert [o.findings is None for o in others] == [False, False, False, True, False, False, False]
    assert isinstance(others[3].error, ServerFailed)
    with pytest.raises(ServerFailed):
        others[3].result()


@pytest.mark.parametrize("concurrency", [1, 3])
def test_concurrency_is_a_bound_and_is_used(
    fake_triton: FakeTriton, many: Many, numbered: list[Study], concurrency: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted where each study enters, so that the fake's two threads are no bound."""
    lock, inside, most = threading.Lock(), [0], [0]
    from vcf_client.core import Core

    original = Core.analyze

    async def counted(self: Core, *args: Any) -> Any:
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        try:
            return await original(self, *args)
        finally:
            with lock:
                inside[0] -= 1

    monkeypatch.setattr(Core, "analyze", counted)
    taken: list[int] = []

    def endless() -> Iterator[Study]:
        for number, one in enumerate(numbered):
            taken.append(number)
            yield one

    assert len(many(fake_triton.address, endless(), concurrency=concurrency)) == 7
    assert most[0] == concurrency


def test_studies_are_taken_as_there_is_room(fake_triton: FakeTriton, numbered: list[Study]) -> None:
    taken: list[Study] = []

    def lazily() -> Iterator[Study]:
        for one in numbered:
            taken.append(one)
            yield one

    with VcfClient(fake_triton.address) as client:
        outcomes = client.analyze_many(lazily(), concurrency=2)
        assert not taken
        next(outcomes)
        assert len(taken) == 2
        outcomes.close()
    assert len(taken) == 2


@pytest.mark.parametrize("client", [VcfClient, AsyncVcfClient])
def test_concurrency_must_be_positive(client: Any) -> None:
    async def make() -> None:
        client().analyze_many([], concurrency=0)

    with pytest.raises(ValueError, match="concurrency"):
        asyncio.run(make())


def test_no_studies(fake_triton: FakeTriton, many: Many) -> None:
    assert many(fake_triton.address, []) == []


def test_cancelled_task_ends_its_call(fake_triton: FakeTriton, study: Study) -> None:
    release, seen = threading.Event(), threading.Event()

    def reply(request: Any, context: Any) -> Any:
        context.add_callback(seen.set)
        release.wait(120)

    fake_triton.reply = reply

    async def cancel() -> None:
        async with AsyncVcfClient(fake_triton.address) as client:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(client.analyze(study), 0.5)

    asyncio.run(cancel())
    assert seen.wait(120)
    release.set()
