# SPDX-License-Identifier: Apache-2.0
"""Several servers in turn, those that are gone left out, and requests sent again."""

import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from vcf_client.calls import Calls
from vcf_client.endpoint import Connection, Endpoint
from vcf_client.faults import Fault, Remedy, late
from vcf_client.names import Name
from vcf_client.retry import Retry, doubled
from vcf_contract.contract import VCF
from vcf_contract.errors import ContractDiffers, Overloaded, ServerUnavailable, StudyRefused
from vcf_contract.version import VERSION, speaks

T = TypeVar("T")

PROBE_S = 1.0
"""How long a server may take to say that it is ready before it is given a study."""
EJECT_S, LONGEST_EJECTION_S = 1.0, 30.0
"""How long a server is left out after the first failure, and at most; each further failure doubles it."""
FULL_S = 1.0
"""How long a server that was full comes after those that were not, if it says no time itself."""
RETIRED_S = 300.0
"""How long the connection to an address stays that its name does not have any more: studies may be under way."""

LEAST_ATTEMPT_S = 0.1
"""A try with less time than this would say that it was late, not why there was no answer."""


class _Place:
    """A server and what is known of its health; none that has not yet answered is given a study unasked."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.failures = 0
        self.proven = False
        self.out_until = 0.0
        self.speaks = False
        """Whether the server is known to speak our contract, or to have no word for it."""
        self.full_until = 0.0
        self.retired_at: float | None = None

    def failed(self) -> None:
        self.failures += 1
        self.proven = self.speaks = False
        pause_s = doubled(EJECT_S, LONGEST_EJECTION_S, self.failures)
        self.out_until = time.monotonic() + pause_s

    def is_full(self, after_s: float | None) -> None:
        self.proven = True
        self.full_until = time.monotonic() + (after_s or FULL_S)

    def answered(self) -> None:
        self.failures, self.proven, self.out_until = 0, True, 0.0


@dataclass
class Turn:
    """The order in which one study asks the servers. The first that answers stays the first: a study is several calls,
    and the turn moves on once a study."""

    places: list[_Place]
    first: _Place | None = None
    only: Endpoint | None = None
    """The one server that can answer, because it shares memory with the client."""

    def order(self) -> list[_Place]:
        """All servers, those that are full after the others, and those that are left out last or not at all."""
        if self.only is not None:
            return [place for place in self.places if place.endpoint is self.only]
        now = time.monotonic()
        order = sorted(self.places, key=lambda place: (place is not self.first, place.full_until > now))
        inside = [place for place in order if place.out_until <= now]
        return inside or sorted(order, key=lambda place: place.out_until)


class Servers:
    """The servers of one client. Threads may share it."""

    def __init__(self, addresses: Sequence[str], connection: Connection, retry: Retry, calls: Calls) -> None:
        self.name = ", ".join(addresses)
        self._connection = connection
        self._names = [Name(address) for address in addresses if Name.is_one(address)]
        self._places = [
            _Place(Endpoint(address, connection, calls)) for address in addresses if not Name.is_one(address)
        ]
        self._of_name: dict[Name, dict[str, _Place]] = {name: {} for name in self._names}
        self._retired: list[_Place] = []
        self._retry = retry
        self._calls = calls
        self._next = 0
        self._lock = threading.Lock()

    async def close(self) -> None:
        """Close all connections."""
        for place in (*self._all(), *self._retired):
            await place.endpoint.close()

    async def is_ready(self, model: str, timeout_s: float) -> bool:
        """Tell whether any server can run the model now."""
        await self._look_up()
        for place in self._all():
            try:
                if await place.endpoint.has_model(model, timeout_s):
                    return True
            except Fault:
                continue
        return False

    async def turn(self) -> Turn:
        """The turn of one more study, which begins with the next server."""
        await self._look_up()
        places = self._all()
        if not places:
            return Turn([])
        now = time.monotonic()
        with self._lock:
            # Those that are left out take no turn: with the turn of one gone its neighbour would get two.
            start = self._next % len(places)
            order = places[start:] + places[:start]
            chosen = next((place for place in order if max(place.out_until, place.full_until) <= now), order[0])
            self._next = places.index(chosen) + 1
        start = places.index(chosen)
        return Turn(places[start:] + places[:start])

    def local(self, turn: Turn) -> Endpoint | None:
        """The first server of a turn that may share this machine's memory."""
        return next((place.endpoint for place in turn.order() if place.endpoint.is_here), None)

    async def call(self, ask: Callable[[Endpoint], Awaitable[T]], until: float, deadline_s: float, turn: Turn) -> T:
        """Ask servers in turn until one answers.

        Parameters
        ----------
        ask
            Raises ``Fault`` for a call that failed; called anew for every try.
        until, deadline_s
            When to give up (``time.perf_counter``), and how long that was from the beginning.
        turn
            The study's.

        Raises
        ------
        vcf_contract.errors.VcfError
            Of the last server asked, once its request must not or need not be sent again.
        """
        attempt = 0
        while True:
            attempt += 1
            again: Fault | None = None
            for place in turn.order():
                if time.perf_counter() >= until:
                    raise again.error if again else late(self.name, deadline_s)
                try:
                    await self._prove(place, until)
                    await self._compare(place, until)
                    answer = await ask(place.endpoint)
                except Fault as found:
                    self._note(place, found)
                    if found.remedy is Remedy.NONE:
                        raise found.error from None
                    if again is None or found.remedy is Remedy.AGAIN or again.remedy is Remedy.ELSEWHERE:
                        again = found
                else:
                    place.answered()
                    turn.first = place
                    return answer
            if again is None:
                gone = ServerUnavailable(f"no Triton server takes studies at {self.name} (the name has no address)")
                again = Fault(gone, Remedy.AGAIN)
            if again.after_s is not None and self._retry.attempts > 1:
                attempt -= 1  # a server that says when to come has a queue, and this is its end
            if again.remedy is Remedy.ELSEWHERE or attempt >= self._retry.attempts:
                raise again.error
            pause_s = self._retry.pause_s(max(1, attempt), again.after_s)
            if time.perf_counter() + pause_s + LEAST_ATTEMPT_S >= until:
                raise again.error
            await self._calls.sleep(pause_s)
            await self._look_up()
            if set(turn.places) != set(known := self._all()):  # maybe another study has looked the name up
                turn.places = known

    def _note(self, place: _Place, found: Fault) -> None:
        if found.down:
            place.failed()
            for name in self._names:
                name.doubt()
        elif isinstance(found.error, Overloaded):
            place.is_full(found.after_s)
        elif isinstance(found.error, StudyRefused):
            place.answered()

    def _all(self) -> list[_Place]:
        return [*self._places, *(place for found in self._of_name.values() for place in found.values())]

    async def _look_up(self) -> None:
        """Look names up that are due."""
        for name in self._names:
            if name.is_due or not self._of_name[name]:
                self._update(name, await self._calls.work(name.look_up))
        now = time.monotonic()
        for place in [p for p in self._retired if p.retired_at is not None and now - p.retired_at > RETIRED_S]:
            with suppress(ValueError):  # another thread was faster
                self._retired.remove(place)
                await place.endpoint.close()

    def _update(self, name: Name, addresses: Sequence[str]) -> None:
        """Take the addresses of a name as its servers; a name that is unknown for a moment keeps those it had."""
        with self._lock:
            known = self._of_name[name]
            if not addresses or set(addresses) == set(known):
                return
            found = {
                address: known.get(address)
                or _Place(Endpoint(address, self._connection, self._calls, name=name.authority))
                for address in addresses
            }
            for address in known.keys() - found.keys():
                known[address].retired_at = time.monotonic()
                self._retired.append(known[address])
            self._of_name[name] = found

    async def _prove(self, place: _Place, until: float) -> None:
        """Health check of a server that has not answered lately, if there are others. Raises Fault."""
        if place.proven or len(self._all()) == 1:
            return
        address = place.endpoint.address
        try:
            ready = await place.endpoint.has_model(VCF.name, max(0.001, min(PROBE_S, until - time.perf_counter())))
        except Fault as found:
            # Nothing of the study was sent: whatever it was, another server may take it.
            if found.remedy is not Remedy.NONE:
                raise
            silent = ServerUnavailable(f"the server at {address} does not say whether it is ready")
            raise Fault(silent, Remedy.AGAIN, down=True) from None
        if not ready:
            raise Fault(ServerUnavailable(f"the server at {address} is not ready for studies"), Remedy.AGAIN, down=True)

    async def _compare(self, place: _Place, until: float) -> None:
        """Ask a server once which contract it speaks. Raises Fault if the answer is another major version than ours."""
        if place.speaks:
            return
        try:
            version = await place.endpoint.contract_version(
                VCF.name, max(0.001, min(PROBE_S, until - time.perf_counter()))
            )
        except Fault as found:
            # A server without this method will not learn it; of other faults the study itself tells better.
            place.speaks = found.remedy is Remedy.NONE and not found.down
            return
        if version is not None and not speaks(version):
            differs = ContractDiffers(
                f"the server at {place.endpoint.address} speaks the contract {version}, this client {VERSION}; "
                "the same major version is accepted"
            )
            raise Fault(differs, Remedy.ELSEWHERE, down=True)
        place.speaks = True
