# SPDX-License-Identifier: Apache-2.0
"""Why a study scores as it does: its highest patch, what each member says of it, and which part of it they look at."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vcf_training.evaluation.cases import Explanation, Study, levels_in
from vcf_training.reference import Analysis, classify
from vcf_training.store import Networks

BLOCKS = 4
"""The patch is hidden in BLOCKS × BLOCKS parts, craniocaudal by antero-posterior, one after the other."""
Array = NDArray[np.float64]


def explain(analysis: Analysis, networks: Networks, study: Study) -> Explanation:
    """Explain the study's highest patch."""
    spine, patch = analysis.spine, int(np.argmax(analysis.patch_scores))
    whole, _ = classify(networks, spine.patches, spine.location)  # members, flips, patches
    box = spine.patch_boxes_mm[patch]
    middle = spine.patches.shape[3] // 2
    return Explanation(
        patch,
        levels_in(study, float(box[2]), float(box[5])),
        {m.name: float(p) for m, p in zip(networks.members, whole[:, :, patch].mean(1), strict=True)},
        _occluded(networks, spine.patches, spine.location, patch),
        spine.patches[patch, :, :, middle - 2 : middle + 2, 0].mean(-1),
    )


def _occluded(networks: Networks, patches: NDArray[np.float32], location: NDArray[np.float32], patch: int) -> Array:
    """Fall of the patch's probability for each hidden part, mean over members and flips.

    Only the hidden patch is encoded anew; the sequence head sees it among its unchanged neighbours.
    """
    height, width = patches.shape[1:3]
    hidden = np.repeat(patches[patch][None], BLOCKS * BLOCKS, axis=0)
    fill = float(patches[patch].mean())
    for number, part in enumerate(_parts(height, width)):
        hidden[number][part] = fill
    features, variants = (np.asarray(networks.patch_encoder(tiles)) for tiles in (patches, hidden))
    plain = _probability(networks, features, location)[patch]
    drop = np.zeros(BLOCKS * BLOCKS)
    for number, variant in enumerate(variants):
        changed = features.copy()
        changed[patch] = variant
        drop[number] = plain - _probability(networks, changed, location)[patch]
    return drop.reshape(BLOCKS, BLOCKS)


def _probability(networks: Networks, features: NDArray[np.float32], location: NDArray[np.float32]) -> Array:
    """Probabilities (k,) of features (k, D), mean over members and flips."""
    patch, _ = networks.sequence_head([features, location])
    mean: Array = np.asarray(patch, np.float64).mean((0, 1))
    return mean


def _parts(height: int, width: int) -> Sequence[tuple[slice, slice]]:
    rows = [slice(i * height // BLOCKS, (i + 1) * height // BLOCKS) for i in range(BLOCKS)]
    columns = [slice(i * width // BLOCKS, (i + 1) * width // BLOCKS) for i in range(BLOCKS)]
    return [(r, c) for r in rows for c in columns]
