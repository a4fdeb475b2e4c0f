# SPDX-License-Identifier: Apache-2.0
"""Findings from a server's answer: checked against the contract, its positions turned into the patient's."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcf_client.dicom.privacy import keyed_hash
from vcf_client.findings import Findings, Midsagittal, ModelId, Patch, Point
from vcf_client.message import checked
from vcf_client.routes import Exchange
from vcf_client.study import Study
from vcf_contract import contract
from vcf_contract.contract import Tensor
from vcf_contract.errors import ServerFailed


@dataclass(frozen=True)
class Known:
    """Knowledge of a study that its reader has, here or on the server."""

    series_id: str
    flags: tuple[str, ...]
    selection: tuple[str, ...]
    to_lps_mm: Callable[[NDArray[Any]], NDArray[np.float64]]


def known_here(study: Study) -> Known:
    """Return what this process knows, which read the study."""
    return Known(study.series_id, tuple(map(str, study.flags)), study.selection, study.volume.to_lps_mm)


def known_by_server(exchange: Exchange) -> Known:
    """Return what the server knows, which read the study."""
    affine: NDArray[np.float64] = _floats(exchange, contract.PATIENT_AFFINE)
    (uid,) = _texts(exchange, contract.SERIES_UID)
    return Known(
        keyed_hash(uid),
        _texts(exchange, contract.STUDY_FLAGS),
        _texts(exchange, contract.SELECTION),
        lambda points_mm: np.asarray(points_mm, np.float64) @ affine[:3, :3].T + affine[:3, 3],
    )


def findings_of(known: Known, exchange: Exchange, read_ms: dict[str, float]) -> Findings:
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
        transport=exchange.transport,
        bytes_sent=exchange.bytes_sent,
    )


def _timings_ms(exchange: Exchange) -> dict[str, float]:
    """The client's own, with the server's stages told apart from the network."""
    ms = _floats(exchange, contract.STAGE_TIMINGS_MS).tolist()
    if not 0 < len(ms) <= len(contract.STAGES):
        raise ServerFailed(f"the answer has {len(ms)} stage timings, there are {len(contract.STAGES)} stages")
    stages_ms = dict(zip(contract.STAGES[-len(ms) :], ms, strict=True))
    network_ms = max(0.0, exchange.timings_ms["network"] - sum(ms))
    return {**exchange.timings_ms, "network": network_ms, **stages_ms}


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


def _boxes_lps(known: Known, boxes_mm: NDArray[np.float32]) -> list[tuple[Point, Point]]:
    """Smallest and largest corner of each box (k, 6) in the patient's axes, from all eight corners: scans may be a
    little oblique."""
    ends = boxes_mm.reshape(-1, 2, 3)
    corners = np.stack([ends[:, pick, range(3)] for pick in product((0, 1), repeat=3)], axis=1)
    lps = known.to_lps_mm(corners)
    return list(zip(_points(lps.min(axis=1)), _points(lps.max(axis=1)), strict=True))


def _points(array: NDArray[np.float64]) -> tuple[Point, ...]:
    return tuple((float(x), float(y), float(z)) for x, y, z in array)
