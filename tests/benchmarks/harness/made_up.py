# SPDX-License-Identifier: Apache-2.0
"""Findings that no server gave."""

import numpy as np

from vcf_client import Findings
from vcf_client.findings import Midsagittal, ModelId, Patch


def findings(number: int) -> Findings:
    """Make findings of three patches, others for each number."""
    patches = tuple(Patch(0.1, 0.1 * number + 0.01 * k, 0.5, ((0, 0, k), (1, 1, k + 1))) for k in range(3))
    empty = Midsagittal(np.zeros((1, 1), np.int16), 0, 0, 1, 1, np.zeros((3, 6), np.float32), np.zeros((1, 3)))
    model = ModelId("vcf", "1", (), "0f")
    return Findings(f"s{number}", patches[-1].score, 0.5, patches, (), (), (), model, {}, empty)
