# SPDX-License-Identifier: Apache-2.0
"""Patches of real CTs, from which int8 takes its ranges. None is of the test patient."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vcf_contract.errors import SetupError
from vcf_training.data.real_spines import load_real_spines
from vcf_training.views import Crop, view
from vcf_training.warp.patients import complete_canal

VIEWS = 8
"""Fields of view drawn of each CT."""
SEED = 41


def real_patches(
    count: int = 256, *, shared_data: Path | None = None, cache: Path | None = None
) -> NDArray[np.float32]:
    """Give at most ``count`` patches (n, H, W, Z, 1) in [0, 1], as the preparation makes them; the same ones every
    time.

    Raises
    ------
    SetupError
        No real CT can be had.
    """
    spines = load_real_spines(shared_data, cache, use="train")
    rng = np.random.default_rng(SEED)
    drawn = []
    for spine in spines:
        canal, _ = complete_canal(spine.canal_mm)
        for _ in range(VIEWS):
            study = view(
                spine.volume.hu, spine.volume.spacing_mm, canal, (), spine.patient, rng, crop=Crop(whole_share=0.25)
            )
            if study is not None:
                drawn.append(study.patches)
    if not drawn:
        raise SetupError(
            "no real CT to calibrate int8 with: let pip download the package totalsegmentator==2.18.0 once, or set "
            "VCF_SHARED_DATA to a folder of CTs with annotated canals"
        )
    patches = np.concatenate(drawn)
    chosen = np.sort(rng.permutation(len(patches))[:count])
    return patches[chosen, ..., None].astype(np.float32) / 255
