# SPDX-License-Identifier: Apache-2.0
"""What `VcfClient` and `AsyncVcfClient` do, whichever way they wait."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from clients.answers import findings_of, known_by_server, known_here
from clients.calls import Calls
from clients.endpoint import Connection
from clients.findings import Findings
from clients.region import is_loopback
from clients.retry import Retry
from clients.routes import (
    CROP,
    DICOM,
    SHM,
    VOLUME,
    WIRES,
    Exchange,
    NotHere,
    Route,
    by_crop,
    by_dicom,
    by_shm,
    by_volume,
)
from clients.security import Security
from clients.servers import Servers
from clients.study import Study
from vcf.contract import VCF, VCF_CROP, VCF_SCOUT
from vcf.errors import ServerUnavailable

AUTO = "auto"
DEFAULT_ADDRESS = "127.0.0.1:8001"
DEFAULT_DEADLINE_S = 120.0
LONGEST_LOOK_S = 5.0
"""How long the question whether a server is ready may take."""

AnyStudy = Study | str | os.PathLike[str]
Progress = Callable[[int, int], None]


class Core:
    """A client but for the waiting."""

    def __init__(
        self,
        address: str | Sequence[str],
        *,
        deadline_s: float,
        wire: str,
        security: Security,
        retry: Retry,
        keepalive_s: float | None,
        calls: Calls,
    ) -> None:
        if not deadline_s > 0:
            raise ValueError(f"deadline_s is {deadline_s!r}, it must be greater than 0")
        if wire not in (AUTO, *WIRES):
            raise ValueError(f"wire is {wire!r}; {', '.join((AUTO, *WIRES))} are accepted")
        addresses = _addresses(address)
        if security.api_key and not security.tls and not all(map(is_loopback, addresses)):
            raise ValueError("an API key goes to other machines over TLS only: give security a ca")
        self._deadline_s = deadline_s
        self._wire = wire
        self._calls = calls
        self._servers = Servers(addresses, Connection(security, keepalive_s), retry, calls)
        self._shm_may_work = True

    async def close(self) -> None:
        await self._servers.close()

    async def is_ready(self) -> bool:
        return await self._servers.is_ready(VCF.name, min(self._deadline_s, LONGEST_LOOK_S))

    async def analyze(self, study: AnyStudy, age_policy: str, progress: Progress | None) -> Findings:
        started = time.perf_counter()
        if self._wire == DICOM:
            if isinstance(study, Study):
                raise ValueError("the wire 'dicom' sends files: give the path of the study, or another wire")
            from clients.dicom.files import read_all

            files = await self._calls.work(read_all, Path(study))
            read = time.perf_counter()
            exchange = await by_dicom(self._route("dicom"), files, age_policy)
            known = known_by_server(exchange)
        else:
            if not isinstance(study, Study):
                from clients.reader import read_study  # pydicom and its decoders: only where there is a file to read

                study = await self._calls.work(read_study, Path(study), age_policy=age_policy, progress=progress)
            read = time.perf_counter()
            exchange = await self._send(study)
            known = known_here(study)
        return findings_of(known, exchange, {"read": (read - started) * 1e3})

    async def _send(self, study: Study) -> Exchange:
        way = {SHM: by_shm, CROP: by_crop, VOLUME: by_volume}
        route = self._route(study.series_id)
        if self._wire != AUTO:
            try:
                return await way[self._wire](route, study.volume)
            except NotHere:
                raise ServerUnavailable(
                    "client and server share no memory; the wires crop and volume need none"
                ) from None
        if await route.has(VCF_SCOUT) and await route.has(VCF_CROP):
            return await by_crop(route, study.volume)
        if self._shm_may_work:
            try:
                return await by_shm(route, study.volume)
            except NotHere:
                self._shm_may_work = False
        return await by_volume(self._route(study.series_id), study.volume)

    def _route(self, name: str) -> Route:
        return Route(self._servers, self._calls, name, self._deadline_s)


def _addresses(address: str | Sequence[str]) -> tuple[str, ...]:
    addresses = (address,) if isinstance(address, str) else tuple(address)
    if not addresses or not all(isinstance(one, str) and one.strip() for one in addresses):
        raise ValueError(f"address is {address!r}; host:port, dns:///name:port or a list of these is accepted")
    if len(set(addresses)) < len(addresses):
        raise ValueError("address names a server twice")
    return addresses
