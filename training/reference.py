# SPDX-License-Identifier: Apache-2.0
"""The whole analysis in one process with the Keras models: what the served pipeline must agree with."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from preprocess import slices
from preprocess.aggregate import study_scores
from preprocess.spine import Spine, prepare
from training.store import Networks
from vcf.contract import FLIPS, MEMBERS


@dataclass(frozen=True)
class Analysis:
    """Scores of one study as the contract names them, and what they were computed from."""

    study_score: float
    patch_scores: NDArray[np.float64]
    patch_probabilities: NDArray[np.float64]
    spine: Spine


def analyze(hu: NDArray[np.int16], spacing_mm: tuple[float, float, float], networks: Networks) -> Analysis:
    """Analyse a canonical volume (z, y, x).

    Raises:
        StudyRefused: as the served pipeline refuses.
    """
    indices = slices.pick(len(hu), spacing_mm[0])
    images = slices.detector_images(hu, spacing_mm, indices)
    spine = prepare(hu, spacing_mm, indices, np.asarray(networks.detector(images)))
    probabilities = ensemble(networks, spine.patches, spine.location)
    score, patch_scores, plain = study_scores(probabilities)
    return Analysis(score, patch_scores, plain, spine)


def ensemble(networks: Networks, patches: NDArray[np.float32], location: NDArray[np.float32]) -> NDArray[np.float32]:
    """Flip-major patches (f·k, H, W, Z, 1) and location (k,) to probabilities (members, flips, k)."""
    return np.stack(
        [
            np.asarray(networks.heads[m]([np.asarray(networks.encoders[m](patches)), location])).reshape(len(FLIPS), -1)
            for m in MEMBERS
        ]
    )
