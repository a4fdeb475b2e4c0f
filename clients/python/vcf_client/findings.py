# SPDX-License-Identifier: Apache-2.0
"""Findings of the analysis of one study, and their JSON form (``findings.schema.json``)."""

import json
import re
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcf_contract.version import SCHEMA_VERSION

NOTICE = "Weights trained on synthetic fractures; not for clinical use."

_POINT = re.compile(r"\[\n\s*-?[\d.e+-]+(,\n\s*-?[\d.e+-]+)*\n\s*\]")
"""A list of nothing but numbers in indented JSON; the newlines keep it from matching inside a string."""

Point = tuple[float, float, float]
"""x, y, z in patient LPS mm."""


@dataclass(frozen=True)
class Patch:
    """One patch of the spine.

    probability
        Mean over ensemble members and flips, 0 to 1.
    score
        Probability, smoothed along the spine if the weights ask for it.
    location
        Relative position of the centre in the covered spine, 0 cranial to 1 caudal.
    box_mm
        Smallest and largest corner.
    """

    probability: float
    score: float
    location: float
    box_mm: tuple[Point, Point]


@dataclass(frozen=True)
class ModelId:
    """The weights that answered: the model that was called, its networks, and SHA-256 over their weights."""

    name: str
    version: str
    networks: tuple[str, ...]
    hash: str


@dataclass(frozen=True)
class Midsagittal:
    """The reconstructed mid-sagittal picture and what lies on it; all in mm from the centre of voxel (0, 0, 0).

    hu
        HU, row 0 cranial, column 0 anterior.
    z_top_mm, y_front_mm
        Position of the centre of pixel (0, 0); z falls with the rows, y grows with the columns.
    row_mm, column_mm
        Pitch of the rows (craniocaudal) and of the columns (antero-posterior).
    boxes_mm
        (k, 6), x0 y0 z0 x1 y1 z1 of each patch.
    centre_line_mm
        (n, 3), x y z.
    """

    hu: NDArray[np.int16]
    z_top_mm: float
    y_front_mm: float
    row_mm: float
    column_mm: float
    boxes_mm: NDArray[np.float32]
    centre_line_mm: NDArray[np.float32]


@dataclass(frozen=True)
class Findings:
    """Findings of one study.

    series_id
        Keyed hash of the series, from the study.
    patches
        From head to feet.
    centre_line_mm
        Canal centre of each slice of the covered spine.
    flags, selection
        Codes and sentences that a reader should know; the study's own and the server's.
    timings_ms
        Wall time of each stage, in the order in which they ran.
    midsagittal
        For the report; no part of the JSON.
    transport, bytes_sent
        How the study got to the server, and the size of all messages to it.
    """

    series_id: str
    study_score: float
    threshold: float
    patches: tuple[Patch, ...]
    centre_line_mm: tuple[Point, ...]
    flags: tuple[str, ...]
    selection: tuple[str, ...]
    model: ModelId
    timings_ms: dict[str, float]
    midsagittal: Midsagittal = field(repr=False, compare=False)
    notice: str = NOTICE
    transport: str = "volume"
    bytes_sent: int = 0

    @property
    def positive(self) -> bool:
        """Tell whether the study score reaches the operating point."""
        return self.study_score >= self.threshold

    @property
    def smoothed(self) -> bool:
        """Tell whether the score of any patch differs from its probability."""
        return any(patch.score != patch.probability for patch in self.patches)

    def is_positive(self, patch: Patch) -> bool:
        """Return whether to mark a patch: the study is positive and the patch's score reaches the operating point.

        The highest patch of a positive study is always marked: where members' study scores are averaged, or one comes
        from a learned F_agg, no patch need reach the operating point.
        """
        return self.positive and patch.score >= min(self.threshold, self.highest)

    @property
    def highest(self) -> float:
        """The largest score of a patch."""
        return max(patch.score for patch in self.patches)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, numbers and strings in the form of the published schema."""
        return {
            "schema_version": SCHEMA_VERSION,
            "notice": self.notice,
            "series_id": self.series_id,
            "study_score": self.study_score,
            "threshold": self.threshold,
            "positive": self.positive,
            "patches": [
                {
                    "probability": patch.probability,
                    "score": patch.score,
                    "positive": self.is_positive(patch),
                    "location": patch.location,
                    "box_mm": [_rounded(corner) for corner in patch.box_mm],
                }
                for patch in self.patches
            ],
            "centre_line_mm": [_rounded(point) for point in self.centre_line_mm],
            "flags": list(self.flags),
            "selection": list(self.selection),
            "model": {
                "name": self.model.name,
                "version": self.model.version,
                "networks": list(self.model.networks),
                "hash": self.model.hash,
            },
            "transport": self.transport,
            "bytes_sent": self.bytes_sent,
            "timings_ms": {stage: round(ms, 2) for stage, ms in self.timings_ms.items()},
        }

    def to_json(self) -> str:
        """JSON text of ``to_dict``, a point a line; not-a-number is an error, not a token that no JSON reader knows."""
        text = json.dumps(self.to_dict(), indent=2, allow_nan=False, ensure_ascii=False)
        return _POINT.sub(lambda point: " ".join(point[0].split()).replace("[ ", "[").replace(" ]", "]"), text) + "\n"


def schema() -> dict[str, Any]:
    """The published JSON Schema, draft 2020-12."""
    loaded: dict[str, Any] = json.loads(files("vcf_client").joinpath("findings.schema.json").read_text("utf-8"))
    return loaded


def _rounded(point: Point) -> list[float]:
    """A hundredth of a millimetre is finer than any voxel."""
    return [round(value, 2) for value in point]
