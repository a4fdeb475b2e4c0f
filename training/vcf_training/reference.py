# SPDX-License-Identifier: Apache-2.0
"""The whole analysis in one process with the Keras models: what the served pipeline must agree with."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vcf_preprocess import slices
from vcf_preprocess.aggregate import Aggregation, study_scores
from vcf_preprocess.geometry import Volume
from vcf_preprocess.spine import Spine, prepare


class ThreeNetworks(Protocol):
    """The Keras models (``vcf_training.store.Networks``), or the exported ones in this process."""

    @property
    def detector(self) -> Callable[[Any], Any]: ...
    @property
    def patch_encoder(self) -> Callable[[Any], Any]: ...
    @property
    def sequence_head(self) -> Callable[[Any], Any]: ...
    @property
    def aggregation(self) -> Aggregation: ...


@dataclass(frozen=True)
class Analysis:
    """Scores of one study as the contract names them, and what they were computed from."""

    study_score: float
    patch_scores: NDArray[np.float64]
    patch_probabilities: NDArray[np.float64]
    spine: Spine


def analyze(volume: Volume, networks: ThreeNetworks) -> Analysis:
    """Analyse a canonical volume.

    Raises
    ------
    StudyRefused
        As the served pipeline refuses.
    """
    hu, spacing_mm, location_mm = volume.hu, volume.spacing_mm, volume.slice_location_mm
    indices = slices.pick_body(hu, spacing_mm, location_mm)
    images = slices.detector_images(hu, spacing_mm, indices)
    canal_grid = np.asarray(networks.detector(images))
    spine = prepare(hu, spacing_mm, indices, canal_grid, networks.aggregation.overlap, location_mm)
    score, patch_scores, plain = study_scores(*classify(networks, spine.patches, spine.location), networks.aggregation)
    return Analysis(float(score), patch_scores, plain, spine)


def classify(
    networks: ThreeNetworks, patches: NDArray[np.float32], location: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Patches (k, H, W, Z, 1) and location (k,) to the members' patch (members, flips, k) and study probabilities."""
    patch, study = networks.sequence_head([np.asarray(networks.patch_encoder(patches)), location])
    return np.asarray(patch), np.asarray(study)
