# SPDX-License-Identifier: Apache-2.0
"""The Python client: one study in, its findings out."""

import os
import time
import uuid
from collections.abc import Callable
from itertools import product
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clients.findings import Findings, Midsagittal, ModelId, Patch, Point
from clients.study import Study
from clients.wire import Answer, GrpcWire, Wire
from preprocess.geometry import Volume
from vcf import contract
from vcf.contract import VCF, Tensor
from vcf.errors import ServerFailed

DEFAULT_ADDRESS = "127.0.0.1:8001"
DEFAULT_DEADLINE_S = 120.0


class VcfClient:
    """Calls the ``vcf`` model of a Triton server.

    Use it as a context manager, or ``close()`` it. One client may be shared by threads.

    Parameters
    ----------
    address
        ``host:port`` of the server's gRPC endpoint.
    deadline_s
        Longest wait for the answer to one study.
    """

    def __init__(self, address: str = DEFAULT_ADDRESS, *, deadline_s: float = DEFAULT_DEADLINE_S) -> None:
        if not deadline_s > 0:
            raise ValueError(f"deadline_s is {deadline_s!r}, it must be greater than 0")
        self._deadline_s = deadline_s
        self._wire: Wire = GrpcWire(address)

    def __enter__(self) -> "VcfClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; calls in flight end with an error."""
        self._wire.close()

    def is_ready(self) -> bool:
        """Whether the server answers and can take a study now."""
        return self._wire.is_ready(VCF.name, min(self._deadline_s, 5.0))

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
            A study that has been read, or the path of one.
        age_policy, progress
            For reading a path, as ``clients.reader.read_study`` takes them.

        Raises
        ------
        vcf.errors.StudyRefused
            If the reader or the server refuses the study; ``code`` says why.
        vcf.errors.ServerUnavailable
            If no server takes studies at the address.
        vcf.errors.DeadlineExceeded
            If the answer did not come in time.
        vcf.errors.ServerFailed
            If the server failed or its answer makes no sense.
        """
        started = time.perf_counter()
        if not isinstance(study, Study):
            from clients.reader import read_study  # pydicom and its decoders: only where there is a file to read

            study = read_study(Path(study), age_policy=age_policy, progress=progress)
        read = time.perf_counter()
        volume = study.volume
        request = self._wire.prepare(
            VCF.name,
            f"{study.series_id}-{uuid.uuid4().hex[:8]}",
            [(contract.VOLUME, volume.hu), (contract.SPACING_MM, np.array(volume.spacing_mm, np.float32))],
        )
        prepared = time.perf_counter()
        answer = self._wire.send(request, self._deadline_s)
        answered = time.perf_counter()
        stages_ms = dict(zip(contract.STAGES, _floats(answer, contract.STAGE_TIMINGS_MS).tolist(), strict=True))
        timings_ms = {
            "read": (read - started) * 1e3,
            "prepare": (prepared - read) * 1e3,
            "wire": max(0.0, (answered - prepared) * 1e3 - sum(stages_ms.values())),
            **stages_ms,
        }
        return _findings(study, answer, timings_ms)


def _findings(study: Study, answer: Answer, timings_ms: dict[str, float]) -> Findings:
    """Check the answer against the contract and turn its positions into the patient's."""
    probabilities = _floats(answer, contract.PATCH_PROBABILITIES)
    scores = _floats(answer, contract.PATCH_SCORES)
    location = _floats(answer, contract.LOCATION)
    boxes_mm = _floats(answer, contract.PATCH_BOXES_MM)
    line_mm = _floats(answer, contract.CENTRE_LINE_MM)
    if not 0 < len(scores) == len(probabilities) == len(boxes_mm) == len(location):
        raise ServerFailed(
            f"the answer has {len(probabilities)} patch probabilities, {len(scores)} scores, {len(boxes_mm)} boxes "
            f"and {len(location)} locations"
        )
    z_top_mm, y_front_mm, row_mm, column_mm = _floats(answer, contract.MIDSAGITTAL_MM).tolist()
    server_flags = (flag.decode("utf-8", "replace") for flag in _tensor(answer, contract.FLAGS))
    return Findings(
        series_id=study.series_id,
        study_score=_shortest(_floats(answer, contract.STUDY_SCORE)[0]),
        threshold=_shortest(_floats(answer, contract.THRESHOLD)[0]),
        patches=tuple(
            Patch(_shortest(probability), _shortest(score), _shortest(place), box)
            for probability, score, place, box in zip(
                probabilities, scores, location, _boxes_lps(study.volume, boxes_mm), strict=True
            )
        ),
        centre_line_mm=_points(study.volume.to_lps_mm(line_mm)),
        flags=tuple(dict.fromkeys((*map(str, study.flags), *server_flags))),
        selection=study.selection,
        model=ModelId(
            VCF.name,
            answer.model_version,
            tuple(network.name for network in contract.NETWORKS),
            _tensor(answer, contract.MODEL_HASH)[0].decode("ascii", "replace"),
        ),
        timings_ms=timings_ms,
        midsagittal=Midsagittal(
            _tensor(answer, contract.MIDSAGITTAL), z_top_mm, y_front_mm, row_mm, column_mm, boxes_mm, line_mm
        ),
    )


def _tensor(answer: Answer, expected: Tensor) -> NDArray[Any]:
    """The named tensor, once its shape is what the contract says."""
    if expected.name not in answer.tensors:
        raise ServerFailed(f"the answer has no tensor {expected.name}, it has {', '.join(sorted(answer.tensors))}")
    array = answer.tensors[expected.name]
    fits = array.ndim == len(expected.shape) and all(
        want in (-1, got) for want, got in zip(expected.shape, array.shape, strict=True)
    )
    if not fits:
        raise ServerFailed(f"tensor {expected.name} of the answer has shape {array.shape}, not {expected.shape}")
    return array


def _floats(answer: Answer, expected: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = _tensor(answer, expected)
    if not np.isfinite(array).all():
        raise ServerFailed(f"tensor {expected.name} of the answer holds values that are not finite")
    return array


def _shortest(value: np.float32) -> float:
    """The shortest decimal that is this float32; order among such numbers is kept, so ``score >= threshold`` is too."""
    return float(str(value))


def _boxes_lps(volume: Volume, boxes_mm: NDArray[np.float32]) -> list[tuple[Point, Point]]:
    """Smallest and largest corner of each box (k, 6) in the patient's axes, from all eight corners: scans may be a
    little oblique."""
    ends = boxes_mm.reshape(-1, 2, 3)
    corners = np.stack([ends[:, pick, range(3)] for pick in product((0, 1), repeat=3)], axis=1)
    lps = volume.to_lps_mm(corners)
    return list(zip(_points(lps.min(axis=1)), _points(lps.max(axis=1)), strict=True))


def _points(array: NDArray[np.float64]) -> tuple[Point, ...]:
    return tuple((float(x), float(y), float(z)) for x, y, z in array)
