# SPDX-License-Identifier: Apache-2.0
"""The ways a study takes to the server: the same findings, at different cost on the wire.

``shm``
    As ``crop``, with the voxels in memory that client and server share: only their name is sent. The whole volume so,
    to servers that do not take the crop.
``crop``
    First the detector's images, then the voxels about the spine that the server found on them.
``volume``
    The whole volume in one message.
``dicom``
    The DICOM files as they are; the server reads them.
"""

import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from clients.calls import Calls
from clients.endpoint import Endpoint
from clients.faults import late
from clients.one_thread import on_one_thread
from clients.region import Region, fill
from clients.servers import Servers
from clients.wire import Answer, Arrays, Content, Inputs, InRegion, prepare
from preprocess import admission, centre_line, crop, sagittal, slices, spine
from preprocess.geometry import Volume
from vcf import contract
from vcf.contract import VCF, VCF_CROP, VCF_DICOM, VCF_SCOUT, Ensemble, Tensor
from vcf.cores import STUDY_THREADS
from vcf.errors import DeadlineExceeded

T = TypeVar("T")

SHM, CROP, VOLUME, DICOM = WIRES = ("shm", "crop", "volume", "dicom")


class NotHere(Exception):
    """This way is not open between this client and this server; another one may be."""


@dataclass(frozen=True)
class Exchange:
    """What came back, and what it took.

    tensors
        Of all answers together.
    bytes_sent
        All messages to the server; what lies in shared memory is in none.
    timings_ms
        Wall time of what the client did and waited for, in order: ``prepare``, ``scout``, ``wire``. The last one
        holds the server's stages, which the answer tells apart.
    """

    wire: str
    model: str
    model_version: str
    tensors: Arrays
    bytes_sent: int
    timings_ms: dict[str, float]


class Route:
    """One study's messages to the servers, all within one deadline, and their account."""

    def __init__(self, servers: Servers, calls: Calls, name: str, deadline_s: float) -> None:
        self.calls = calls
        self._servers = servers
        self._on: Endpoint | None = None
        self._name = name
        self._deadline_s = deadline_s
        self._until = time.perf_counter() + deadline_s
        self._mark = time.perf_counter()
        self._bytes = 0
        self._timings_ms: dict[str, float] = {}
        self._answers: list[Answer] = []

    def left_s(self) -> float:
        """What is left of the deadline."""
        left = self._until - time.perf_counter()
        if left <= 0:
            raise self._late()
        return left

    def _late(self) -> DeadlineExceeded:
        return late(self._servers.name, self._deadline_s)

    async def has(self, door: Ensemble) -> bool:
        """Whether the servers take studies by this door."""
        return await self._call(lambda server: server.had(door.name, self.left_s()))

    async def stay_here(self) -> Endpoint:
        """From now on ask only one server, one of this machine; NotHere if there is none."""
        self._on = self._servers.next_here()
        if self._on is None:
            raise NotHere
        return self._on

    async def borrow(self, nbytes: int) -> Region | None:
        """Memory that is shared with the server; None if there is none."""
        return await self._call(lambda server: server.borrow(nbytes, self.left_s()))

    async def ask(
        self, door: Ensemble, inputs: Inputs, timing: str = "wire", *, age_policy: str | None = None
    ) -> Answer:
        """Send one request; the time since the last one counts as preparation."""
        parameters = {contract.AGE_POLICY: age_policy} if age_policy else None

        async def once(server: Endpoint) -> tuple[Answer, int]:
            # Made anew for each server asked: what is left of the deadline is in it.
            request_id = f"{self._name}-{uuid.uuid4().hex[:16]}"
            message = await self.calls.work(
                prepare, door.name, request_id, inputs, budget_s=self.left_s(), parameters=parameters
            )
            left_s = self.left_s()
            self._spent("prepare")
            try:
                return await server.infer(message, left_s), len(message)
            finally:
                self._spent(timing)

        answer, nbytes = await self._call(once)
        self._bytes += nbytes
        self._answers.append(answer)
        return answer

    async def _call(self, ask: Callable[[Endpoint], Awaitable[T]]) -> T:
        try:
            return await self._servers.call(ask, self._until, self._deadline_s, self._on)
        except DeadlineExceeded:
            raise self._late() from None

    def done(self, wire: str, door: Ensemble) -> Exchange:
        """The account of all that was asked."""
        tensors = {name: tensor for answer in self._answers for name, tensor in answer.tensors.items()}
        return Exchange(wire, door.name, self._answers[-1].model_version, tensors, self._bytes, self._timings_ms)

    def _spent(self, what: str) -> None:
        now = time.perf_counter()
        self._timings_ms[what] = self._timings_ms.get(what, 0.0) + (now - self._mark) * 1e3
        self._mark = now


async def by_volume(route: Route, volume: Volume) -> Exchange:
    """The whole volume in one message."""
    await route.ask(VCF, [(contract.VOLUME, volume.hu), _spacing(volume)])
    return route.done(VOLUME, VCF)


async def by_shm(route: Route, volume: Volume) -> Exchange:
    """As `by_crop` with the crop in shared memory; the whole volume there, if the server does not take the crop.

    Raises
    ------
    NotHere
        If server and client share none.
    """
    server = await route.stay_here()
    if await route.has(VCF_CROP):
        return await _scout_then_crop(route, volume, server)
    async with _shared(route, server, volume.hu) as content:
        await route.ask(VCF, [(contract.VOLUME, content), _spacing(volume)])
    return route.done(SHM, VCF)


async def by_crop(route: Route, volume: Volume) -> Exchange:
    """Detector images first, then the crop about the centre line that they gave."""
    return await _scout_then_crop(route, volume)


async def _scout_then_crop(route: Route, volume: Volume, shares_memory: Endpoint | None = None) -> Exchange:
    """The crop holds what the patches need. The picture reaches further; it is made here, where the volume is, by the
    arithmetic that the server would use, and while the server works. The crop goes in a message, or to the server
    that shares memory through that.
    """
    shape = volume.hu.shape
    # As the server will see it: with another rounding the crop could lack a column.
    spacing = admission.check_shape(shape, np.array(volume.spacing_mm, np.float32))
    indices = slices.pick(shape[0], spacing[0])
    about: list[tuple[Tensor, Content]] = [(contract.VOLUME_SHAPE, np.array(shape, np.int32)), _spacing(volume)]
    images = await route.calls.work(slices.detector_images, volume.hu, spacing, indices, threads=STUDY_THREADS)
    scouted = await route.ask(
        VCF_SCOUT, [(contract.SLICE_IMAGES, images), (contract.SLICE_INDICES, indices), *about], timing="scout"
    )
    line_mm = scouted.tensor(contract.CENTRE_LINE_MM)
    line = centre_line.received(line_mm, shape, spacing)
    window = spine.window(shape, spacing, line)

    async def send(voxels: Content) -> None:
        origin = np.array((window.y.start, window.x.start), np.int32)
        about_crop = [(contract.CROP_ORIGIN, origin), (contract.CENTRE_LINE_MM, line_mm), *about]
        await route.ask(VCF_CROP, [(contract.CROP, voxels), *about_crop])

    async def send_crop() -> None:
        if shares_memory is None:
            await send((await route.calls.work(crop.cut, volume.hu, window)).hu)
            return
        # Straight from the volume, without a copy in between.
        async with _shared(route, shares_memory, volume.hu[:, window.y, window.x]) as voxels:
            await send(voxels)

    _, view = await route.calls.meanwhile(send_crop(), on_one_thread, sagittal.midsagittal, volume.hu, spacing, line)
    exchange = route.done(CROP if shares_memory is None else SHM, VCF_CROP)
    picture: Arrays = {contract.MIDSAGITTAL.name: view.hu, contract.MIDSAGITTAL_MM.name: view.place_mm}
    return replace(exchange, tensors={**exchange.tensors, **picture})


@asynccontextmanager
async def _shared(route: Route, server: Endpoint, voxels: NDArray[np.int16]) -> AsyncIterator[InRegion]:
    """Voxels in shared memory that the server has mapped, while the block runs.

    Raises
    ------
    NotHere
        If server and client share none.
    """
    region = await route.borrow(voxels.nbytes)
    if region is None:
        raise NotHere
    try:
        await route.calls.work(fill, region, voxels)
        yield InRegion(voxels.shape, region.name, voxels.nbytes)
    except BaseException:
        await server.unregister(region.name)
        raise
    server.give_back(region)


async def by_dicom(route: Route, files: Sequence[bytes], age_policy: str) -> Exchange:
    """The files; the server reads them."""
    await route.ask(VCF_DICOM, [(contract.DICOM_FILES, files)], age_policy=age_policy)
    return route.done(DICOM, VCF_DICOM)


def _spacing(volume: Volume) -> tuple[Tensor, Content]:
    return contract.SPACING_MM, np.array(volume.spacing_mm, np.float32)
