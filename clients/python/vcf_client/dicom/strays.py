# SPDX-License-Identifier: Apache-2.0
"""Images that belong to a stack by their place and were not taken with it: a damaged header names another series.

Inside a stack such an image leaves a gap, which is noticed by itself; at its ends nothing else would tell.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from vcf_client.dicom import exclusions
from vcf_client.dicom.slices import MODALITY_CT, Slice
from vcf_client.dicom.stack import Stack
from vcf_contract.errors import StudyRefused

_FEW = 2
"""A series of more images is a series of its own."""
_UID = re.compile(r"[0-9.]{1,64}")
"""What a UID is made of (DICOM PS3.5 9.1)."""
_SAME_MM, _SAME_DIRECTION = 0.1, 1e-2


def has_stray(stack: Stack, slices: Sequence[Slice]) -> bool:
    """Return whether one of all slices would be the next one at an end of a stack, and is hardly of another series.

    Or whether a CT picture is left whose header does not say where it lies, in hardly any series: whose it was, nobody
    knows. Or whether one of the same series is damaged, whatever kind its header makes it.
    """
    taken = {id(s) for s in stack.slices if s is not None}
    some = stack.some
    sizes = Counter(s.facts.series_uid for s in slices)
    if any(not s.has_geometry and sizes[s.facts.series_uid] <= _FEW and _is_picture(s) for s in slices):
        return True
    if any(s.damage and s.facts.series_uid == some.facts.series_uid for s in slices):
        return True
    ends = [stack.affine[:3, 3] + k * stack.affine[:3, 0] for k in (-1, len(stack.slices))]
    return any(
        id(s) not in taken
        and (s.facts.series_uid == some.facts.series_uid or sizes[s.facts.series_uid] <= _FEW)
        and s.has_geometry
        and _is_alike(s, some)
        and any(np.abs(np.subtract(s.position_mm or (), end)).max() < _SAME_MM for end in ends)
        for s in slices
    )


def _is_picture(s: Slice) -> bool:
    """Return whether it is, as far as its header goes, a slice of CT: no localizer and no dose page.

    Of an image of a CT class, the modality counts as CT, whatever is left of it. A class that is no UID at all is
    damage, and says nothing of what the image was.
    """
    facts = s.facts
    if facts.sop_class and not _UID.fullmatch(facts.sop_class):
        facts = replace(facts, sop_class="", modality=facts.modality or MODALITY_CT)
    elif facts.sop_class in exclusions.CT_CLASSES:
        facts = replace(facts, modality=MODALITY_CT)
    try:
        exclusions.refuse_kind(facts)
    except StudyRefused:
        return False
    return True


def _is_alike(s: Slice, other: Slice) -> bool:
    """Return whether two slices have the same matrix or the same orientation: what is damaged can be either."""
    same_matrix = (s.facts.rows, s.facts.columns) == (other.facts.rows, other.facts.columns)
    return same_matrix or bool(np.abs(np.subtract(s.orientation, other.orientation)).max() < _SAME_DIRECTION)
