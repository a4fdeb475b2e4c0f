# SPDX-License-Identifier: Apache-2.0
"""Tell what a member is made of: the paper's choices of F_rep, F_seq and F_agg (§2.3, §3.3), each a few words here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from vcf_contract.spec import PatchSpec

Representation = Literal["deep", "shallow"]
Sequence = Literal["lstm", "bilstm", "max"]
Aggregation = Literal["served", "max", "smoothed_max", "bilstm"]
MAX_FILTER = 3
"""Patches that F_seq ``max`` looks at: the patch and its two neighbours."""
MEMBERS = ("a", "b", "c", "d", "e")
"""What the members of an ensemble are called; there are one to five."""
USUAL_MEMBERS = 3
"""The paper averages this many (§3.3)."""
FLIPS = ("identity", "left_right")
"""Test time augmentation: every member sees every patch and its mirror image (paper §3.3)."""


@dataclass(frozen=True)
class Architecture:
    """One member's networks; the defaults are those of the weights that ship.

    representation
        F_rep: ``deep`` is three blocks of two 3-D convolutions and a max pool (8, 16, 32 filters), ``shallow`` a
        single 3-D convolution and one max pool.
    location
        Whether each patch's features are joined by its relative position along the spine.
    sequence
        F_seq: ``lstm`` from head to feet, ``bilstm`` both ways, or ``max``: every patch is judged alone and scored by
        the maximum of its environment.
    aggregation
        F_agg while learning: ``max`` over the patches, ``smoothed_max`` after smoothing them, ``bilstm`` over features
        and patch probabilities. ``served`` learns with the maximum and is judged by the smoothed one. Only ``bilstm``
        leaves a network behind; how the others are aggregated when served is chosen for the whole ensemble.
    """

    representation: Representation = "deep"
    location: bool = True
    sequence: Sequence = "lstm"
    aggregation: Aggregation = "served"

    def __post_init__(self) -> None:
        for name, accepted in (
            ("representation", get_args(Representation)),
            ("sequence", get_args(Sequence)),
            ("aggregation", get_args(Aggregation)),
        ):
            if (found := getattr(self, name)) not in accepted:
                raise ValueError(f"{name} {found!r}: one of {', '.join(accepted)} is needed")


SERVED = Architecture()
VARIANTS: dict[str, Architecture] = {
    "lstm": SERVED,
    "max": Architecture(location=False, sequence="max", aggregation="max"),
    "max-location": Architecture(sequence="max", aggregation="max"),
    "bilstm-aggregation": Architecture(sequence="max", aggregation="bilstm"),
    "lstm-max": Architecture(aggregation="max"),
    "lstm-smoothed-max": Architecture(aggregation="smoothed_max"),
    "lstm-no-location": Architecture(location=False),
    "bilstm": Architecture(sequence="bilstm"),
    "shallow": Architecture(representation="shallow", sequence="max", aggregation="max"),
    "shallow-lstm": Architecture(representation="shallow"),
}
"""The variants by the name that the command line takes; the second to fourth are those of the paper's Figure 3a."""
FIGURE_3A = ("max", "max-location", "bilstm-aggregation")


def of_settings(settings: Mapping[str, Any]) -> tuple[Architecture, PatchSpec]:
    """Architecture and patches of a member preset as a manifest records it; the defaults where it says nothing."""
    patch = dict(settings.get("patch", {}))
    if "grid" in patch:
        patch["grid"] = tuple(patch["grid"])
    return Architecture(**settings.get("architecture", {})), PatchSpec(**patch)
