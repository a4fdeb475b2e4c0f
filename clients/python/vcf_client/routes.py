# SPDX-License-Identifier: Apache-2.0
"""The ways a study takes to the server: the same findings, at different cost on the network.

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
from types import TracebackType
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from vcf_client import tracing
from vcf_client.calls import Calls
from vcf_client.endpoint import Endpoint
from vcf_client.faults import Fault, Remedy, late
from vcf_client.message import Answer, Arrays, Content, Inputs, InRegion, check_size, prepare
from vcf_client.one_thread import on_one_thread
from vcf_client.region import Region, copy_into
from vcf_client.servers import Servers, Turn
from vcf_contract import contract
from vcf_contract.contract import VCF, VCF_CROP, VCF_DICOM, VCF_SCOUT, Ensemble, Model, Priority, Tensor
from vcf_contract.errors import DeadlineExceeded, ServerUnavailable
from vcf_preprocess import admission, centre_line, crop, sagittal, slices, spine
from vcf_preprocess.cores import STUDY_THREADS
from vcf_preprocess.geometry import Volume

T = TypeVar("T")

SHM, CROP, VOLUME, DICOM = TRANSPORTS = ("shm", "crop", "volume", "dicom")


class NoSharedMemory(Exception):
    """Client and server share no memory; another transport may work."""


@dataclass(frozen=True)
class Exchange:
    """Tell what came back, and what it took.

    tensors
        Of all answers together.
    bytes_sent
        All messages to the server; what lies in shared memory is in none.
    timings_ms
        Wall time of what the client did and waited for, in order: ``prepare``, ``scout``, ``network``. The last one
        holds the server's stages, which the answer tells apart.
    """

    transport: str
    model: str
    model_version: str
    tensors: Arrays
    bytes_sent: int
    timings_ms: dict[str, float]


class Route:
    """One study's messages to the servers, all within one deadline, and their account.

    Each server is asked first whether it has room. One that has taken the study is told when it is given up: use a
    route as a context manager.
    """

    def __init__(
        self, servers: Servers, calls: Calls, name: str, deadline_s: float, priority: Priority = Priority.ROUTINE
    ) -> None:
        self.calls = calls
        self._priority = priority
        self._admitted: tuple[Endpoint, str] | None = None
        self._asked: dict[Endpoint, str] = {}
        self._servers = servers
        self._turn: Turn | None = None
        self._name = name
        self._deadline_s = deadline_s
        self._until = time.perf_counter() + deadline_s
        self._mark = time.perf_counter()
        self._bytes = 0
        self._timings_ms: dict[str, float] = {}
        self._answers: list[Answer] = []

    async def __aenter__(self) -> "Route":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            await self._leave()

    async def _leave(self) -> None:
        """Give the study up at the server that has taken it."""
        if self._admitted is not None:
            (server, request_id), self._admitted = self._admitted, None
            await server.leave(request_id)

    async def _admit(self, server: Endpoint) -> str:
        """The id of the study's requests to a server, which has room for it.

        A server that has none knows by the id who has asked before, and lets nobody overtake who has not.
        """
        if self._admitted is None or self._admitted[0] is not server:
            await self._leave()
            request_id = self._asked.setdefault(server, f"{self._name}-{uuid.uuid4().hex[:16]}")
            await server.admit(request_id, self._priority, self.left_s())
            self._admitted = server, self._asked.pop(server)
        return self._admitted[1]

    def left_s(self) -> float:
        """Tell what is left of the deadline."""
        left = self._until - time.perf_counter()
        if left <= 0:
            raise self._late()
        return left

    def _late(self) -> DeadlineExceeded:
        return late(self._servers.name, self._deadline_s)

    async def begin(self, inputs: Inputs = ()) -> None:
        """Find a server that has room for the study, before anything is prepared for it but these inputs, if any."""
        check_size(inputs)
        await self._call(self._admit)

    async def has_model(self, entry: Ensemble) -> bool:
        """Tell whether the study's server has this entry model. A server that cannot take any study is passed over."""

        async def once(server: Endpoint) -> bool:
            if await server.recently_had_model(entry.name, self.left_s()):
                return True
            if not await server.has_model(VCF.name, self.left_s()):  # it starts or drains
                gone = ServerUnavailable(f"no Triton server takes studies at {server.address} (it is not ready)")
                raise Fault(gone, Remedy.AGAIN, down=True)
            return False

        return await self._call(once)

    async def use_local_server(self) -> Endpoint:
        """Ask only one server from now on, one of this machine; NoSharedMemory if there is none."""
        turn = await self._its_turn()
        turn.only = self._servers.local(turn)
        if turn.only is None:
            raise NoSharedMemory
        return turn.only

    async def use_any_server(self) -> None:
        """Ask all servers again, after `use_local_server`."""
        (await self._its_turn()).only = None

    async def borrow(self, nbytes: int) -> Region | None:
        """Memory that is shared with the server; None if there is none."""
        return await self._call(lambda server: server.borrow(nbytes, self.left_s()))

    async def ask(
        self, entry: Ensemble, inputs: Inputs, timing: str = "network", *, age_policy: str | None = None
    ) -> Answer:
        """Send one request; the time since the last one counts as preparation."""
        parameters = {contract.AGE_POLICY: age_policy} if age_policy else None

        async def once(server: Endpoint) -> tuple[Answer, int]:
            request_id = await self._admit(server)
            # Made anew for each server asked: what is left of the deadline is in it.
            message = await self.calls.work(
                prepare,
                entry.name,
                request_id,
                [(tensor, content) for tensor, content in inputs if server.takes(tensor)],
                budget_s=self.left_s(),
                priority=self._priority,
                parameters=parameters,
            )
            left_s = self.left_s()
            self._spent("prepare")
            try:
                with tracing.span(timing, "CLIENT", model=entry.name, bytes=len(message)):
                    return await server.infer(message, left_s), len(message)
            except Fault as found:
                if found.remedy is not Remedy.NONE:
                    await self._leave()  # another try is another study to the server
                if found.down and any(isinstance(content, InRegion) for _, content in inputs):
                    raise Fault(found.error, down=True) from None  # the region is gone with the server
                raise
            finally:
                self._spent(timing)

        answer, nbytes = await self._call(once)
        self._bytes += nbytes
        self._answers.append(answer)
        return answer

    async def ask_step(self, step: Model, inputs: Inputs) -> Answer:
        """Send one request to a single step, which is no study: no room is asked for."""

        async def once(server: Endpoint) -> Answer:
            return await server.infer(prepare(step.name, "", inputs), self.left_s())

        return await self._call(once)

    async def _call(self, ask: Callable[[Endpoint], Awaitable[T]]) -> T:
        try:
            return await self._servers.call(ask, self._until, self._deadline_s, await self._its_turn())
        except DeadlineExceeded:
            raise self._late() from None

    async def _its_turn(self) -> Turn:
        if self._turn is None:
            self._turn = await self._servers.turn()
        return self._turn

    def done(self, transport: str, entry: Ensemble) -> Exchange:
        """The account of all that was asked."""
        tensors = {name: tensor for answer in self._answers for name, tensor in answer.tensors.items()}
        return Exchange(transport, entry.name, self._answers[-1].model_version, tensors, self._bytes, self._timings_ms)

    def _spent(self, what: str) -> None:
        now = time.perf_counter()
        self._timings_ms[what] = self._timings_ms.get(what, 0.0) + (now - self._mark) * 1e3
        self._mark = now


async def by_volume(route: Route, volume: Volume) -> Exchange:
    """The whole volume in one message."""
    inputs: Inputs = [(contract.VOLUME, volume.hu), *place(volume)]
    await route.begin(inputs)
    await route.ask(VCF, inputs)
    return route.done(VOLUME, VCF)


async def by_shm(route: Route, volume: Volume) -> Exchange:
    """The crop in shared memory, or the whole volume there, if the server does not take the crop.

    Raises
    ------
    NoSharedMemory
        If server and client share none.
    """
    server = await route.use_local_server()
    await route.begin()
    if await route.has_model(VCF_CROP):
        return await _scout_then_crop(route, volume, server)
    async with _shared(route, server, volume.hu) as content:
        await route.ask(VCF, [(contract.VOLUME, content), *place(volume)])
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
    await route.begin()
    indices = slices.pick_body(volume.hu, spacing, volume.slice_location_mm)
    voxel_mm, location = place(volume)
    about: list[tuple[Tensor, Content]] = [(contract.VOLUME_SHAPE, np.array(shape, np.int32)), voxel_mm]
    images = await route.calls.work(slices.detector_images, volume.hu, spacing, indices, threads=STUDY_THREADS)
    scouted = await route.ask(
        VCF_SCOUT, [(contract.SLICE_IMAGES, images), (contract.SLICE_INDICES, indices), *about], timing="scout"
    )
    line_mm = scouted.tensor(contract.CENTRE_LINE_MM)
    line = centre_line.received(line_mm, shape, spacing)
    window = spine.window(shape, spacing, line)

    async def send(voxels: Content) -> None:
        origin = np.array((window.y.start, window.x.start), np.int32)
        about_crop = [(contract.CROP_ORIGIN, origin), (contract.CENTRE_LINE_MM, line_mm), *about, location]
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
    NoSharedMemory
        If server and client share none.
    """
    region = await route.borrow(voxels.nbytes)
    if region is None:
        raise NoSharedMemory
    try:
        await route.calls.work(copy_into, region, voxels)
        yield InRegion(voxels.shape, region.name, voxels.nbytes)
    except BaseException:
        await server.unregister(region.name)
        raise
    server.give_back(region)


async def by_dicom(route: Route, files: Sequence[bytes], age_policy: str) -> Exchange:
    """The files; the server reads them."""
    inputs: Inputs = [(contract.DICOM_FILES, files)]
    await route.begin(inputs)
    await route.ask(VCF_DICOM, inputs, age_policy=age_policy)
    return route.done(DICOM, VCF_DICOM)


def place(volume: Volume) -> tuple[tuple[Tensor, Content], tuple[Tensor, Content]]:
    """Inputs that say where a volume lies: its spacing, and the place of its first slice in the patient."""
    return (
        (contract.SPACING_MM, np.array(volume.spacing_mm, np.float32)),
        (contract.SLICE_LOCATION_MM, np.array([volume.slice_location_mm], np.float32)),
    )
