# SPDX-License-Identifier: Apache-2.0
"""Why a study scores as it does: its highest patch, what each member says of it, and which part of it they look at."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from training.evaluation.cases import Explanation, Study
from training.reference import Analysis, ensemble
from training.store import Networks
from vcf.contract import FLIPS, MEMBERS

BLOCKS = 4
"""The patch is hidden in BLOCKS × BLOCKS parts, craniocaudal by antero-posterior, one after the other."""
Array = NDArray[np.float64]


def explain(analysis: Analysis, networks: Networks, study: Study) -> Explanation:
    """Explain the study's highest patch."""
    spine, patch = analysis.spine, int(np.argmax(analysis.patch_scores))
    count = len(spine.location)
    whole = ensemble(networks, spine.patches, spine.location)  # members, flips, patches
    box = spine.patch_boxes_mm[patch]
    middle = spine.patches.shape[3] // 2
    return Explanation(
        patch,
        _levels(study, float(box[2]), float(box[5])),
        {m: float(p) for m, p in zip(MEMBERS, whole[:, :, patch].mean(1), strict=True)},
        _occluded(networks, spine.patches[:count], spine.location, patch),
        spine.patches[patch, :, :, middle - 2 : middle + 2, 0].mean(-1),
    )


def _levels(study: Study, low_mm: float, high_mm: float) -> tuple[str, ...]:
    """What of the study's labels a box between two heights shows, from head to feet."""
    known = {v.level: (v.z0_mm, v.z1_mm) for v in study.vertebrae} | dict(study.levels_mm)
    seen = []
    for level, (bottom, top) in sorted(known.items(), key=lambda item: -item[1][1]):
        shared = min(top, high_mm) - max(bottom, low_mm)
        if shared >= min((top - bottom) / 2, (high_mm - low_mm) / 3):
            seen.append(level)
    return tuple(seen)


def _occluded(networks: Networks, patches: NDArray[np.float32], location: NDArray[np.float32], patch: int) -> Array:
    """Fall of the patch's probability for each hidden part, mean over members, without flips.

    Only the hidden patch is encoded anew; the sequence head sees it among its unchanged neighbours.
    """
    height, width = patches.shape[1:3]
    hidden = np.repeat(patches[patch][None], BLOCKS * BLOCKS, axis=0)
    fill = float(patches[patch].mean())
    for number, part in enumerate(_parts(height, width)):
        hidden[number][part] = fill
    drop = np.zeros(BLOCKS * BLOCKS)
    for m in MEMBERS:
        features = np.asarray(networks.encoders[m](patches))
        variants = np.asarray(networks.encoders[m](hidden))
        plain = _probability(networks, m, features, location)[patch]
        for number in range(len(variants)):
            changed = features.copy()
            changed[patch] = variants[number]
            drop[number] += (plain - _probability(networks, m, changed, location)[patch]) / len(MEMBERS)
    return drop.reshape(BLOCKS, BLOCKS)


def _probability(
    networks: Networks, member: str, features: NDArray[np.float32], location: NDArray[np.float32]
) -> NDArray[np.float32]:
    """A member's probabilities (k,) of features (k, D); the head takes as many sequences as there are flips."""
    rows = np.concatenate([features] * len(FLIPS))
    answer: NDArray[np.float32] = np.asarray(networks.heads[member]([rows, location])).reshape(len(FLIPS), -1)[0]
    return answer


def _parts(height: int, width: int) -> Sequence[tuple[slice, slice]]:
    rows = [slice(i * height // BLOCKS, (i + 1) * height // BLOCKS) for i in range(BLOCKS)]
    columns = [slice(i * width // BLOCKS, (i + 1) * width // BLOCKS) for i in range(BLOCKS)]
    return [(r, c) for r in rows for c in columns]
