# SPDX-License-Identifier: Apache-2.0
"""Deformed spines as studies of patches, ready to be joined with those of phantoms."""

from collections.abc import Sequence

import numpy as np

from training.phantom import TRAINING_RANGES, Ranges
from training.studies import Studies
from training.views import Crop, view
from training.warp.dataset import warped_spines
from training.warp.patients import Patient


def warped_studies(
    seed: int,
    count: int,
    *,
    patients: Sequence[Patient],
    ranges: Ranges = TRAINING_RANGES,
    fracture_probability: float = 0.5,
    views: int = 1,
    crop: Crop = Crop(),  # noqa: B008 (immutable)
) -> Studies:
    """Studies of ``count`` samples of ``warped_spines``, each seen ``views`` times.

    A study is named ``warp-PATIENT-SEED-NUMBER.VIEW``. A view in which no try showed a usable part of the spine is
    left out.
    """
    drawn = []
    samples = warped_spines(seed, count, patients=patients, ranges=ranges, fracture_probability=fracture_probability)
    for i, s in enumerate(samples):
        rng = np.random.default_rng([seed, i, 77])
        for number in range(views):
            name = f"warp-{s.patient}-{seed}-{i}.{number}"
            study = view(s.volume.hu, s.volume.spacing_mm, s.centre_line_mm, s.vertebrae, name, rng, crop=crop)
            if study is not None:
                drawn.append(study)
    return Studies.joined(drawn)
