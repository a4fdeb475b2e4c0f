# SPDX-License-Identifier: Apache-2.0
"""Several servers in turn, those that are gone left out, and requests sent again where that is safe."""

import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from clients.calls import Calls
from clients.endpoint import Connection, Endpoint
from clients.faults import Fault, Remedy, late
from clients.retry import Retry
from vcf.contract import VCF
from vcf.errors import ServerUnavailable, StudyRefused

T = TypeVar("T")

PROBE_S = 1.0
"""How long a server may take to say that it is ready before it is given a study."""
EJECT_S, LONGEST_EJECTION_S = 1.0, 30.0
"""How long a server is left out after the first failure, and at most; each further failure doubles it."""

LEAST_ATTEMPT_S = 0.1
"""A try with less time than this would say that it was late, not why there was no answer."""


class _Place:
    """A server and what is known of its health; none that has not yet answered is given a study unasked."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.failures = 0
        self.proven = False
        self.out_until = 0.0

    def failed(self) -> None:
        self.failures += 1
        self.proven = False
        pause_s = min(LONGEST_EJECTION_S, EJECT_S * 2.0 ** min(self.failures - 1, 10))
        self.out_until = time.monotonic() + pause_s

    def answered(self) -> None:
        self.failures, self.proven, self.out_until = 0, True, 0.0


class Servers:
    """The servers of one client. Threads may share it."""

    def __init__(self, addresses: Sequence[str], connection: Connection, retry: Retry, calls: Calls) -> None:
        self.name = ", ".join(addresses)
        self._places = [_Place(Endpoint(address, connection, calls)) for address in addresses]
        self._retry = retry
        self._calls = calls
        self._turn = 0
        self._lock = threading.Lock()

    async def close(self) -> None:
        """Close all connections."""
        for place in self._places:
            await place.endpoint.close()

    async def is_ready(self, model: str, timeout_s: float) -> bool:
        """Whether any server can run the model now."""
        for place in self._places:
            try:
                if await place.endpoint.has(model, timeout_s):
                    return True
            except Fault:
                continue
        return False

    def next_here(self) -> Endpoint | None:
        """The next server that may share this machine's memory."""
        return next((place.endpoint for place in self._in_turn() if place.endpoint.is_here), None)

    async def call(
        self, ask: Callable[[Endpoint], Awaitable[T]], until: float, deadline_s: float, on: Endpoint | None = None
    ) -> T:
        """Ask servers in turn until one answers.

        Parameters
        ----------
        ask
            Raises ``Fault`` for a call that failed; called anew for every try.
        until, deadline_s
            When to give up (``time.perf_counter``), and how long that was from the beginning.
        on
            The one server that can answer.

        Raises
        ------
        vcf.errors.VcfError
            Of the last server asked, once its request must not or need not be sent again.
        """
        for attempt in range(1, self._retry.attempts + 1):
            again: Fault | None = None
            for place in self._in_turn() if on is None else [p for p in self._places if p.endpoint is on]:
                if time.perf_counter() >= until:
                    raise again.error if again else late(self.name, deadline_s)
                try:
                    await self._prove(place, until)
                    answer = await ask(place.endpoint)
                except Fault as found:
                    if found.down:
                        place.failed()
                    elif isinstance(found.error, StudyRefused):
                        place.answered()
                    if found.remedy is Remedy.NONE:
                        raise found.error from None
                    if again is None or found.remedy is Remedy.AGAIN or again.remedy is Remedy.ELSEWHERE:
                        again = found
                else:
                    place.answered()
                    return answer
            assert again is not None
            if again.remedy is Remedy.ELSEWHERE or attempt == self._retry.attempts:
                raise again.error
            pause_s = self._retry.pause_s(attempt)
            if time.perf_counter() + pause_s + LEAST_ATTEMPT_S >= until:
                raise again.error
            await self._calls.sleep(pause_s)
        raise AssertionError("attempts is at least 1")

    def _in_turn(self) -> list[_Place]:
        """All servers, each call beginning with the next one; those that are left out come last, or not at all."""
        with self._lock:
            turn, self._turn = self._turn, (self._turn + 1) % len(self._places)
        order = self._places[turn:] + self._places[:turn]
        now = time.monotonic()
        inside = [place for place in order if place.out_until <= now]
        return inside or sorted(order, key=lambda place: place.out_until)

    async def _prove(self, place: _Place, until: float) -> None:
        """Health check of a server that has not answered lately, if there are others. Raises Fault."""
        if place.proven or len(self._places) == 1:
            return
        address = place.endpoint.address
        try:
            ready = await place.endpoint.has(VCF.name, max(0.001, min(PROBE_S, until - time.perf_counter())))
        except Fault as found:
            # Nothing of the study was sent: whatever it was, another server may take it.
            if found.remedy is not Remedy.NONE:
                raise
            silent = ServerUnavailable(f"the server at {address} does not say whether it is ready")
            raise Fault(silent, Remedy.AGAIN, down=True) from None
        if not ready:
            raise Fault(ServerUnavailable(f"the server at {address} is not ready for studies"), Remedy.AGAIN, down=True)
