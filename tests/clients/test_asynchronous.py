# SPDX-License-Identifier: Apache-2.0
"""The client of an event loop: it lets the loop go on, and ends with it."""

import asyncio
import threading
from typing import Any

import pytest

from tests.clients.conftest import FakeTriton
from vcf_client import AsyncVcfClient, Study, VcfClient
from vcf_contract.errors import VcfError


def test_it_finds_what_the_other_client_finds(fake_triton: FakeTriton, study: Study) -> None:
    async def waiting() -> Any:
        async with AsyncVcfClient(fake_triton.address, transport="volume") as client:
            assert await client.is_ready()
            return await client.analyze(study)

    with VcfClient(fake_triton.address, transport="volume") as client:
        expected = client.analyze(study)
    found = asyncio.run(waiting())
    assert found.study_score == expected.study_score and found.patches == expected.patches


def test_other_tasks_run_while_the_server_works(fake_triton: FakeTriton, study: Study) -> None:
    """The server answers once another task of the same loop lets it: it would never, if the loop stood still."""
    good, go_on = fake_triton.reply, threading.Event()

    def reply(request: Any, context: Any) -> Any:
        assert go_on.wait(60)
        return good(request, context)

    fake_triton.reply = reply

    async def both() -> Any:
        async def let_go() -> None:
            while not fake_triton.requests:
                await asyncio.sleep(0.01)
            go_on.set()

        async with AsyncVcfClient(fake_triton.address, transport="volume", deadline_s=60) as client:
            found, _ = await asyncio.gather(client.analyze(study), let_go())
            return found

    assert asyncio.run(both()).study_score == 0.75


def test_a_task_that_is_cancelled_ends_its_request(fake_triton: FakeTriton, study: Study) -> None:
    arrived, ended = threading.Event(), threading.Event()

    def reply(request: Any, context: Any) -> Any:
        context.add_callback(ended.set)
        arrived.set()
        ended.wait(60)

    fake_triton.reply = reply

    async def cancelled() -> None:
        async with AsyncVcfClient(fake_triton.address, transport="volume", deadline_s=60) as client:
            task = asyncio.create_task(client.analyze(study))
            assert await asyncio.to_thread(arrived.wait, 60)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await asyncio.to_thread(ended.wait, 60)

    asyncio.run(cancelled())


def test_a_study_that_cannot_be_read_is_an_error_of_the_await(fake_triton: FakeTriton, tmp_path: Any) -> None:
    async def waiting() -> None:
        async with AsyncVcfClient(fake_triton.address) as client:
            await client.analyze(tmp_path / "none")

    with pytest.raises((VcfError, OSError)):
        asyncio.run(waiting())
    assert not fake_triton.requests
