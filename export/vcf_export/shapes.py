# SPDX-License-Identifier: Apache-2.0
"""Shapes that depend on the weights, from their passports. Standard library alone: plan builders have no more."""

from collections.abc import Mapping
from pathlib import Path

from vcf_contract.contract import NETWORKS
from vcf_server import passport

Shapes = Mapping[tuple[str, str], tuple[int, ...]]
"""The shapes of exported networks, by network and tensor, without the batch dimension; −1 where they vary."""


def exported_shapes(repository: Path) -> dict[tuple[str, str], tuple[int, ...]]:
    """Shapes of the tensors of the networks in a repository, as their passports have them.

    Empty where nothing was exported yet: the contract's shapes are all that is known then.
    """
    found: dict[tuple[str, str], tuple[int, ...]] = {}
    for network in NETWORKS:
        known = passport.read(repository / network.name / "1").get(passport.ONNX, {}).get("shapes", {})
        for name, shape in known.items():
            own = shape[1:] if network.max_batch_size else shape
            found[network.name, name] = tuple(size if isinstance(size, int) else -1 for size in own)
    return found
