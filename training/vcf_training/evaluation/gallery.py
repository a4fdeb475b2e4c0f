# SPDX-License-Identifier: Apache-2.0
"""Right and wrong cases as mid-sagittal pictures (the paper's Figure 4), and what the highest patch shows."""

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from PIL import Image

from vcf_client.findings import Findings, ModelId, Patch
from vcf_client.picture import Mark, draw
from vcf_contract.spec import PATCH
from vcf_training.evaluation.cases import Case, Explanation

KINDS = {
    "TP": "fractured and called",
    "FP": "not fractured and called",
    "FN": "fractured and not called",
    "TN": "not fractured and not called",
}
PER_KIND = 4
HEIGHT_PX = 1100
QUALITY = 85
PATCH_PX = 256
_GAP_PX = 16
RING_SHARE = 0.6
"""Radius of the ring about a fracture, of the vertebra's posterior height."""


def choose(cases: Sequence[Case], threshold: float, per_kind: int = PER_KIND) -> dict[str, list[Case]]:
    """Cases of each kind, the clearest first: the highest scores among those called, the lowest among the others.

    Right calls of fractures begin with one of each grade, as far as there are any: grade 3 alone would flatter.
    """
    chosen: dict[str, list[Case]] = {kind: [] for kind in KINDS}
    for case in cases:
        if case.usable and case.score is not None:
            called = case.score >= threshold
            chosen[("TP" if called else "FN") if case.fractured else ("FP" if called else "TN")].append(case)
    for kind, members in chosen.items():
        members.sort(key=lambda c: (c.score or 0.0) * (-1 if kind in ("TP", "FP") else 1))
    first = {c.grade: c for c in reversed(chosen["TP"])}  # of each grade the highest score
    shown = sorted(first.values(), key=lambda c: c.grade or 0)
    rest = [c for c in chosen["TP"] if all(c is not s for s in shown)]
    chosen["TP"] = shown + rest
    return {kind: members[:per_kind] for kind, members in chosen.items()}


def findings(case: Case, threshold: float, notice: str) -> Findings:
    """The case as the client's findings, which draws them; in mm of the volume, not of the patient.

    Raises
    ------
    ValueError
        If the study was refused: there is nothing to draw.
    """
    if case.picture is None or case.score is None:
        raise ValueError(f"{case.name} was refused ({case.refused}): there is nothing to draw")
    view = case.picture.midsagittal
    return Findings(
        series_id=case.name,
        study_score=case.score,
        threshold=threshold,
        patches=tuple(
            Patch(float(p), float(s), float(where), ((b[0], b[1], b[2]), (b[3], b[4], b[5])))
            for p, s, where, b in zip(
                case.picture.probabilities,
                case.patch_scores,
                case.picture.location,
                case.boxes_mm.tolist(),
                strict=True,
            )
        ),
        centre_line_mm=(),
        flags=case.flags,
        selection=(),
        model=ModelId("", "", (), ""),
        timings_ms={},
        midsagittal=view,
        notice=notice,
    )


def picture(case: Case, threshold: float, notice: str) -> bytes:
    """JPEG of a case: boxes that were called, rings about the fractures that are there."""
    marks = [
        Mark(v.centre_mm[1], v.centre_mm[2], RING_SHARE * max(v.z1_mm - v.z0_mm, 12.0), f"{v.level} grade {v.grade}")
        for v in case.fractures
    ]
    drawn = draw(findings(case, threshold, notice), marks)
    scale = min(1.0, HEIGHT_PX / drawn.height)
    return _jpeg(drawn.resize((round(drawn.width * scale), round(drawn.height * scale)), Image.Resampling.LANCZOS))


def patch_picture(explained: Explanation) -> bytes:
    """JPEG of the highest patch: as it is, and beside it tinted where hiding a part lowers the probability.

    The tint's full strength is the largest fall, whatever its size: the table beside it has the numbers.
    """
    grey = np.clip(explained.slab, 0, 1)
    height, width = grey.shape
    fall = np.clip(explained.drop, 0, None)
    share = np.kron(fall / max(float(fall.max()), 1e-6), np.ones((height // len(fall), width // fall.shape[1])))
    tint = np.stack([grey + (1 - grey) * 0.9 * share, grey * (1 - 0.35 * share), grey * (1 - 0.9 * share)], axis=-1)
    plain = np.repeat(grey[..., None], 3, axis=-1)
    size = (round(PATCH_PX * PATCH.box_mm[1] / PATCH.box_mm[0]), PATCH_PX)
    both = Image.new("RGB", (2 * size[0] + _GAP_PX, PATCH_PX))
    for number, half in enumerate((plain, tint)):
        image = Image.fromarray(np.rint(255 * half).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
        both.paste(image, (number * (size[0] + _GAP_PX), 0))
    return _jpeg(both)


def _jpeg(image: Image.Image) -> bytes:
    out = BytesIO()
    image.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()
