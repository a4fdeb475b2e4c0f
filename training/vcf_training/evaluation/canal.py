# SPDX-License-Identifier: Apache-2.0
"""Tell how often the detector finds the spinal canal within 5 mm on axial slices of real CTs whose canal is known.

Each slice is judged alone, as the paper's expert did (§3.2: agreement on 98.99 % of 200 slices): the best box must pass
the served confidence. No neighbour rejects or replaces it, which the served centre line does.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcf_contract.errors import SetupError
from vcf_contract.spec import DETECTOR
from vcf_preprocess import yolo
from vcf_preprocess.slices import detector_images, image_to_volume_mm
from vcf_training.data.canal import CanalSlice, lidc_canal_truth, load_canal_slices
from vcf_training.data.sources import SOURCES, Use
from vcf_training.evaluation.intervals import proportion

WITHIN_MM = 5.0
PAPER_SHARE = 0.9899
Detector = Callable[[NDArray[np.float32]], Any]
_BATCH = 16


def slice_errors_mm(detector: Detector, slices: Sequence[CanalSlice]) -> NDArray[np.float64]:
    """Distance (n,) of the best box's centre from the true one; infinite where none passes the confidence."""
    images = [detector_images(s.image_hu[None], (1.0, *s.spacing_mm), np.array([0]))[0] for s in slices]
    errors = []
    heads = [np.asarray(detector(np.stack(images[i : i + _BATCH]))) for i in range(0, len(images), _BATCH)]
    found = yolo.decode(np.concatenate(heads))
    for s, centre_px, confidence in zip(slices, found.centre_px, found.confidence, strict=True):
        centre = image_to_volume_mm(centre_px, (1, *s.image_hu.shape), (1.0, *s.spacing_mm))
        sure = confidence >= DETECTOR.min_confidence
        errors.append(float(np.linalg.norm(centre - np.array(s.centre_mm))) if sure else np.inf)
    return np.array(errors)


def known_slices() -> list[CanalSlice]:
    """All slices of real CTs with a known canal: annotated ones, and those of LIDC-IDRI-0001 that show the cord.

    A source whose data is not at hand is left out.
    """
    uses: tuple[Use, ...] = ("train", "evaluate")
    slices = [s for use in uses for s in load_canal_slices(use=use) if s.box is not None]
    try:
        volume, centres = lidc_canal_truth()
    except SetupError:
        return slices
    _, dy, dx = volume.spacing_mm
    name = "lidc-idri-0001"
    for index in np.flatnonzero(np.isfinite(centres).all(axis=1)).tolist():
        x, y = centres[index].tolist()
        point = (x / dx, y / dy, x / dx, y / dy)  # the cord's centre is known, the canal's size is not
        slices.append(CanalSlice(volume.hu[index], (dy, dx), point, name, SOURCES[name].patient, index))
    return slices


def evaluate_canal(detector: Detector, slices: Sequence[CanalSlice]) -> dict[str, Any]:
    """Share of the slices within 5 mm: for each source, for those never trained on, and for all."""
    if not slices:
        return {}
    errors = slice_errors_mm(detector, slices)
    rows: dict[str, list[int]] = {}
    for i, s in enumerate(slices):
        rows.setdefault(_scan(s.source), []).append(i)
    held_out = [i for i, s in enumerate(slices) if SOURCES[s.source].use == "evaluate"]
    return {
        "within_mm": WITHIN_MM,
        "paper_share": PAPER_SHARE,
        "all": _row(errors),
        "held_out": _row(errors[held_out]),
        "sources": [
            {"source": name, "use": SOURCES[slices[chosen[0]].source].use} | _row(errors[chosen])
            for name, chosen in rows.items()
        ],
    }


def _scan(source: str) -> str:
    """Single slices of a kind count as one scan."""
    stem, _, last = source.rpartition("/")
    return stem if last.isdigit() and "slices" in stem else source


def _row(errors: NDArray[np.float64]) -> dict[str, Any]:
    found = errors[np.isfinite(errors)]
    share = proportion(int((errors <= WITHIN_MM).sum()), len(errors))
    return {
        "slices": len(errors),
        "missed": int(np.isinf(errors).sum()),
        "within": share.value if share else None,
        "within_interval": share.interval if share else None,
        "median_mm": float(np.median(found)) if len(found) else None,
        "p95_mm": float(np.percentile(found, 95)) if len(found) else None,
        "max_mm": float(found.max()) if len(found) else None,
    }
