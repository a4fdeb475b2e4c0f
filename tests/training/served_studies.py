# SPDX-License-Identifier: Apache-2.0
"""Studies of patches of the served size, made at once."""

import numpy as np

from vcf_contract.spec import PATCH
from vcf_training.studies import Studies


def served_studies(count: int, seed: int) -> Studies:
    """Two patches of the served size a study; a fracture is a bright second one, no brighter than some sound ones."""
    rng = np.random.default_rng(seed)
    n = 2 * count
    label = np.zeros(n, np.uint8)
    label[1::4] = 1
    brightness = rng.integers(0, 60, n) + 40 * label
    patches = rng.integers(0, 100, (n, *PATCH.grid)) + brightness[:, None, None, None]
    return Studies(
        patches.astype(np.uint8),
        np.tile([0.25, 0.75], count).astype(np.float32),
        label,
        np.ones(n, np.uint8),
        3 * label,
        np.full((n, PATCH.grid[0], 5), np.nan, np.float16),
        np.arange(0, n + 1, 2),
        np.array([f"s{i}" for i in range(count)]),
    )
