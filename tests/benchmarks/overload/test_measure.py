# SPDX-License-Identifier: Apache-2.0
"""How the time to a refusal is taken; the loads themselves are the harness's."""

import pytest

pytest.importorskip("hdrh")
pytest.importorskip("tritonclient.grpc")
import asyncio

from vcf_benchmarks.overload.measure import ask_for_room, timed
from vcf_client.calls import finish
from vcf_client.faults import Fault, Remedy
from vcf_contract.errors import Overloaded, ServerUnavailable


class Server:
    """An endpoint that is full, or fails, or has room."""

    def __init__(self, error=None):
        self.error, self.asked, self.left = error, [], []

    async def admit(self, request_id, priority, timeout_s):
        self.asked.append((request_id, priority))
        if self.error:
            raise Fault(self.error, Remedy.AGAIN)

    async def leave(self, request_id):
        self.left.append(request_id)


def test_a_no_has_a_time_and_room_is_given_back():
    full, free = Server(Overloaded.full(16, 1.0)), Server()
    assert finish(ask_for_room(full)) > 0 and full.left == []
    assert finish(ask_for_room(free)) is None
    assert free.left == [free.asked[0][0]] and free.asked[0][1] == "routine"


def test_another_failure_is_none():
    with pytest.raises(ServerUnavailable):
        finish(ask_for_room(Server(ServerUnavailable("gone"))))


def test_one_study_is_timed():
    async def ask(number):
        await asyncio.sleep(0.05)

    assert asyncio.run(timed(ask, 0)) >= 50
