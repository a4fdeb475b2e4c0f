# SPDX-License-Identifier: Apache-2.0
"""Tell what `VcfClient` and `AsyncVcfClient` do, whichever way they wait."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from vcf_client import tracing
from vcf_client.addresses import checked
from vcf_client.answers import findings_of, known_by_server, known_here
from vcf_client.calls import Calls
from vcf_client.endpoint import Connection
from vcf_client.findings import Findings
from vcf_client.region import is_loopback
from vcf_client.retry import Retry
from vcf_client.routes import (
    CROP,
    DICOM,
    SHM,
    TRANSPORTS,
    VOLUME,
    Exchange,
    NoSharedMemory,
    Route,
    by_crop,
    by_dicom,
    by_shm,
    by_volume,
)
from vcf_client.security import Security
from vcf_client.servers import Servers
from vcf_client.study import Study
from vcf_contract.contract import (
    CLOCK,
    FRACTURE_FINDINGS,
    MODEL_HASH,
    PATCH_PROBABILITY,
    STUDY_PROBABILITY,
    VCF,
    VCF_CROP,
    VCF_SCOUT,
    Priority,
)
from vcf_contract.errors import ServerUnavailable

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
        transport: str,
        security: Security,
        retry: Retry,
        keepalive_s: float | None,
        calls: Calls,
        priority: str = Priority.ROUTINE,
    ) -> None:
        if not deadline_s > 0:
            raise ValueError(f"deadline_s is {deadline_s!r}, it must be greater than 0")
        if transport not in (AUTO, *TRANSPORTS):
            raise ValueError(f"transport is {transport!r}; {', '.join((AUTO, *TRANSPORTS))} are accepted")
        self._priority = priority_of(priority)
        addresses = _addresses(address)
        if security.api_key and not security.tls and not all(map(is_loopback, addresses)):
            raise ValueError("an API key goes to other machines over TLS only: give security a ca")
        self._deadline_s = deadline_s
        self._transport = transport
        self._calls = calls
        self._servers = Servers(addresses, Connection(security, keepalive_s), retry, calls)
        self._shm_may_work = True

    async def close(self) -> None:
        await self._servers.close()

    async def is_ready(self) -> bool:
        return await self._servers.is_ready(VCF.name, min(self._deadline_s, LONGEST_LOOK_S))

    async def analyze(
        self, study: AnyStudy, age_policy: str, progress: Progress | None, priority: str | None = None
    ) -> Findings:
        with tracing.span("analyze", transport=self._transport):
            return await self._analyze(study, age_policy, progress, priority)

    async def _analyze(
        self, study: AnyStudy, age_policy: str, progress: Progress | None, priority: str | None
    ) -> Findings:
        started = time.perf_counter()
        chosen = self._priority if priority is None else priority_of(priority)
        if self._transport == DICOM:
            if isinstance(study, Study):
                raise ValueError("the transport 'dicom' sends files: give the path of the study, or another transport")
            from vcf_client.dicom.files import read_all  # noqa: PLC0415 - as below

            with tracing.span("read"):
                files = await self._calls.work(read_all, Path(study))
            read = time.perf_counter()
            async with self._route("dicom", chosen) as route:
                exchange = await by_dicom(route, files, age_policy)
            known = known_by_server(exchange)
        else:
            if not isinstance(study, Study):
                # pydicom and its decoders: only where there is a file to read.
                from vcf_client.reader import read_study  # noqa: PLC0415

                with tracing.span("read"):
                    study = await self._calls.work(read_study, Path(study), age_policy=age_policy, progress=progress)
            read = time.perf_counter()
            exchange = await self._send(study, chosen)
            known = known_here(study)
        return findings_of(known, exchange, {"read": (read - started) * 1e3})

    async def model_hash(self) -> str:
        """See `VcfClient.model_hash`. The last step alone is asked, about one patch of no study."""
        nothing = np.zeros((1, 1, 1), np.float32)
        inputs = [(PATCH_PROBABILITY, nothing), (STUDY_PROBABILITY, nothing[0] - 1), (CLOCK, np.zeros(1, np.int64))]
        answer = await self._route("model-hash", self._priority).ask_step(FRACTURE_FINDINGS, inputs)
        return str(answer.tensor(MODEL_HASH)[0].decode("ascii", "replace"))

    async def _send(self, study: Study, priority: Priority) -> Exchange:
        way = {SHM: by_shm, CROP: by_crop, VOLUME: by_volume}
        async with self._route(study.series_id, priority) as route:
            if self._transport != AUTO:
                try:
                    return await way[self._transport](route, study.volume)
                except NoSharedMemory:
                    raise ServerUnavailable(
                        "client and server share no memory; the transports crop and volume need none, and a server of "
                        "this machine shares it with `vcf serve --shared-memory`"
                    ) from None
            if await route.has_model(VCF_SCOUT) and await route.has_model(VCF_CROP):
                return await by_crop(route, study.volume)
            if self._shm_may_work:
                try:
                    return await by_shm(route, study.volume)
                except NoSharedMemory:
                    self._shm_may_work = False
                    await route.use_any_server()
            return await by_volume(route, study.volume)

    def _route(self, name: str, priority: Priority) -> Route:
        return Route(self._servers, self._calls, name, self._deadline_s, priority)


def priority_of(word: str) -> Priority:
    """The priority of that name; ValueError for another word."""
    try:
        return Priority(word)
    except ValueError:
        raise ValueError(f"priority is {word!r}; {' and '.join(Priority)} are accepted") from None


def _addresses(address: str | Sequence[str]) -> tuple[str, ...]:
    addresses = (address,) if isinstance(address, str) else tuple(address)
    if not addresses or not all(isinstance(one, str) for one in addresses):
        raise ValueError(f"address is {address!r}; host:port, dns:///name:port or a list of these is accepted")
    for one in addresses:
        checked(one)
    if len(set(addresses)) < len(addresses):
        raise ValueError("address names a server twice")
    return addresses
