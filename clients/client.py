# SPDX-License-Identifier: Apache-2.0
"""The Python client: one study in, its findings out."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clients.findings import Findings, Midsagittal, ModelId, Patch, Point
from clients.region import is_loopback
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
from clients.study import Study
from clients.wire import GrpcWire, checked
from vcf import contract
from vcf.contract import VCF, VCF_CROP, VCF_SCOUT, Tensor
from vcf.errors import ServerFailed, ServerUnavailable

AUTO = "auto"
DEFAULT_ADDRESS = "127.0.0.1:8001"
DEFAULT_DEADLINE_S = 120.0


class VcfClient:
    """Sends studies to a Triton server and gets their findings.

    Use it as a context manager, or ``close()`` it. One client may be shared by threads.

    Parameters
    ----------
    address
        ``host:port`` of the server's gRPC endpoint.
    deadline_s
        Longest wait for the answer to one study. The server does not start another step after it.
    wire
        How a study gets to the server, one of ``clients.routes.WIRES``; the findings are the same. ``auto`` sends
        the crop about the spine, which is the fastest even on one machine. To a server that does not take it goes
        the whole volume, in shared memory if the two share a machine.
    """

    def __init__(
        self, address: str = DEFAULT_ADDRESS, *, deadline_s: float = DEFAULT_DEADLINE_S, wire: str = AUTO
    ) -> None:
        if not deadline_s > 0:
            raise ValueError(f"deadline_s is {deadline_s!r}, it must be greater than 0")
        if wire not in (AUTO, *WIRES):
            raise ValueError(f"wire is {wire!r}; {', '.join((AUTO, *WIRES))} are accepted")
        self._deadline_s = deadline_s
        self._wire = wire
        self._grpc = GrpcWire(address)
        self._shm_may_work = is_loopback(address)

    def __enter__(self) -> "VcfClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; calls in flight end with an error."""
        self._grpc.close()

    def is_ready(self) -> bool:
        """Whether the server answers and can take a study now."""
        return self._grpc.is_ready(VCF.name, self._patience_s)

    def analyze(
        self,
        study: Study | str | os.PathLike[str],
        *,
        age_policy: str = "warn",
        progress: Callable[[int, int], None] | None = None,
    ) -> Findings:
        """Find fractures in a study.

        Parameters
        ----------
        study
            A study that has been read, or the path of one. The wire ``dicom`` takes a path alone.
        age_policy, progress
            For reading a path, as ``clients.reader.read_study`` takes them.

        Raises
        ------
        vcf.errors.StudyRefused
            If the reader or the server refuses the study; ``code`` says why.
        vcf.errors.ServerUnavailable
            If no server takes studies at the address, or not by this wire.
        vcf.errors.DeadlineExceeded
            If the answer did not come in time.
        vcf.errors.ServerFailed
            If the server failed or its answer makes no sense.
        """
        started = time.perf_counter()
        if self._wire == DICOM:
            if isinstance(study, Study):
                raise ValueError("the wire 'dicom' sends files: give the path of the study, or another wire")
            from clients.dicom.files import read_all

            files = read_all(Path(study))
            read = time.perf_counter()
            exchange = by_dicom(self._route("dicom"), files, age_policy)
            known = _known_by_server(exchange)
        else:
            if not isinstance(study, Study):
                from clients.reader import read_study  # pydicom and its decoders: only where there is a file to read

                study = read_study(Path(study), age_policy=age_policy, progress=progress)
            read = time.perf_counter()
            exchange = self._send(study)
            known = _Known(study.series_id, tuple(map(str, study.flags)), study.selection, study.volume.to_lps_mm)
        return _findings(known, exchange, {"read": (read - started) * 1e3})

    def _send(self, study: Study) -> Exchange:
        way = {SHM: by_shm, CROP: by_crop, VOLUME: by_volume}
        if self._wire != AUTO:
            try:
                return way[self._wire](self._route(study.series_id), study.volume)
            except NotHere:
                raise ServerUnavailable(
                    "client and server share no memory; the wires crop and volume need none"
                ) from None
        if all(self._grpc.is_ready(door.name, self._patience_s) for door in (VCF_SCOUT, VCF_CROP)):
            return by_crop(self._route(study.series_id), study.volume)
        if self._shm_may_work:
            try:
                return by_shm(self._route(study.series_id), study.volume)
            except NotHere:
                self._shm_may_work = False
        return by_volume(self._route(study.series_id), study.volume)

    def _route(self, name: str) -> Route:
        return Route(self._grpc, name, self._deadline_s)

    @property
    def _patience_s(self) -> float:
        return min(self._deadline_s, 5.0)


@dataclass(frozen=True)
class _Known:
    """What the reader of the images knows of a study, here or on the server."""

    series_id: str
    flags: tuple[str, ...]
    selection: tuple[str, ...]
    to_lps_mm: Callable[[NDArray[Any]], NDArray[np.float64]]


def _known_by_server(exchange: Exchange) -> _Known:
    from clients.dicom.privacy import keyed_hash

    affine: NDArray[np.float64] = _floats(exchange, contract.PATIENT_AFFINE)
    (uid,) = _texts(exchange, contract.SERIES_UID)
    return _Known(
        keyed_hash(uid),
        _texts(exchange, contract.STUDY_FLAGS),
        _texts(exchange, contract.SELECTION),
        lambda points_mm: np.asarray(points_mm, np.float64) @ affine[:3, :3].T + affine[:3, 3],
    )


def _findings(known: _Known, exchange: Exchange, read_ms: dict[str, float]) -> Findings:
    """Check the answer against the contract and turn its positions into the patient's."""
    probabilities = _floats(exchange, contract.PATCH_PROBABILITIES)
    scores = _floats(exchange, contract.PATCH_SCORES)
    location = _floats(exchange, contract.LOCATION)
    boxes_mm = _floats(exchange, contract.PATCH_BOXES_MM)
    line_mm = _floats(exchange, contract.CENTRE_LINE_MM)
    if not 0 < len(scores) == len(probabilities) == len(boxes_mm) == len(location):
        raise ServerFailed(
            f"the answer has {len(probabilities)} patch probabilities, {len(scores)} scores, {len(boxes_mm)} boxes "
            f"and {len(location)} locations"
        )
    z_top_mm, y_front_mm, row_mm, column_mm = _floats(exchange, contract.MIDSAGITTAL_MM).tolist()
    return Findings(
        series_id=known.series_id,
        study_score=_shortest(_floats(exchange, contract.STUDY_SCORE)[0]),
        threshold=_shortest(_floats(exchange, contract.THRESHOLD)[0]),
        patches=tuple(
            Patch(_shortest(probability), _shortest(score), _shortest(place), box)
            for probability, score, place, box in zip(
                probabilities, scores, location, _boxes_lps(known, boxes_mm), strict=True
            )
        ),
        centre_line_mm=_points(known.to_lps_mm(line_mm)),
        flags=tuple(dict.fromkeys((*known.flags, *_texts(exchange, contract.FLAGS)))),
        selection=known.selection,
        model=ModelId(
            exchange.model,
            exchange.model_version,
            tuple(network.name for network in contract.NETWORKS),
            checked(exchange.tensors, contract.MODEL_HASH)[0].decode("ascii", "replace"),
        ),
        timings_ms=read_ms | _timings_ms(exchange),
        midsagittal=Midsagittal(
            checked(exchange.tensors, contract.MIDSAGITTAL), z_top_mm, y_front_mm, row_mm, column_mm, boxes_mm, line_mm
        ),
        wire=exchange.wire,
        bytes_sent=exchange.bytes_sent,
    )


def _timings_ms(exchange: Exchange) -> dict[str, float]:
    """The client's own, with the server's stages told apart from the wire."""
    ms = _floats(exchange, contract.STAGE_TIMINGS_MS).tolist()
    if not 0 < len(ms) <= len(contract.STAGES):
        raise ServerFailed(f"the answer has {len(ms)} stage timings, there are {len(contract.STAGES)} stages")
    stages_ms = dict(zip(contract.STAGES[-len(ms) :], ms, strict=True))
    wire_ms = max(0.0, exchange.timings_ms["wire"] - sum(ms))
    return {**exchange.timings_ms, "wire": wire_ms, **stages_ms}


def _texts(exchange: Exchange, expected: Tensor) -> tuple[str, ...]:
    return tuple(text.decode("utf-8", "replace") for text in checked(exchange.tensors, expected))


def _floats(exchange: Exchange, expected: Tensor) -> NDArray[Any]:
    array = checked(exchange.tensors, expected)
    if not np.isfinite(array).all():
        raise ServerFailed(f"tensor {expected.name} of the answer holds values that are not finite")
    return array


def _shortest(value: np.float32) -> float:
    """The shortest decimal that is this float32; order among such numbers is kept, so ``score >= threshold`` is too."""
    return float(str(value))


def _boxes_lps(known: _Known, boxes_mm: NDArray[np.float32]) -> list[tuple[Point, Point]]:
    """Smallest and largest corner of each box (k, 6) in the patient's axes, from all eight corners: scans may be a
    little oblique."""
    ends = boxes_mm.reshape(-1, 2, 3)
    corners = np.stack([ends[:, pick, range(3)] for pick in product((0, 1), repeat=3)], axis=1)
    lps = known.to_lps_mm(corners)
    return list(zip(_points(lps.min(axis=1)), _points(lps.max(axis=1)), strict=True))


def _points(array: NDArray[np.float64]) -> tuple[Point, ...]:
    return tuple((float(x), float(y), float(z)) for x, y, z in array)
