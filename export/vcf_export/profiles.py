# SPDX-License-Identifier: Apache-2.0
"""The range of shapes a TensorRT plan is built for: from the smallest study to the contract's largest batch."""

from dataclasses import asdict, dataclass
from typing import Any

from vcf_contract.contract import FEATURE_ROWS, LOCATION, SPINAL_CORD_DETECTOR, Model
from vcf_contract.spec import MAX_PATCHES

TYPICAL_PATCHES = 9
"""T1–L5 is about 420 mm: nine patches of 48 mm."""
TYPICAL_SLICES = 16
"""A scan of 450 mm, one slice every 30 mm, and the last."""
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Profile:
    """Smallest, most likely and largest shape of one input."""

    least: Shape
    best: Shape
    most: Shape

    def plain(self) -> dict[str, Any]:
        """Give the profile as JSON holds it."""
        return {which: list(shape) for which, shape in asdict(self).items()}


def profiles(network: Model, features: int) -> dict[str, Profile]:
    """Optimisation profile of every input, from the contract's batching; ``features`` is the width of their tensor."""
    if not network.max_batch_size:
        counts = (1, TYPICAL_PATCHES, MAX_PATCHES)
        return {
            FEATURE_ROWS.name: Profile(*((k, features) for k in counts)),
            LOCATION.name: Profile(*((k,) for k in counts)),
        }
    (tensor,) = network.inputs
    typical = TYPICAL_SLICES if network is SPINAL_CORD_DETECTOR else TYPICAL_PATCHES
    return {tensor.name: Profile(*((n, *tensor.shape) for n in (1, typical, network.max_batch_size)))}
