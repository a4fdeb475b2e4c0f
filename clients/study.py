# SPDX-License-Identifier: Apache-2.0
"""A study ready to be analysed: one checked CT series as a canonical volume."""

from dataclasses import dataclass

from preprocess.geometry import Volume
from vcf.errors import Code


@dataclass(frozen=True)
class Study:
    """What a reader hands to the client.

    series_id
        Keyed hash of the series instance UID: tells studies apart in logs and results without naming them.
    flags
        Warnings found on the way, e.g. ``Code.THICK_SLICES``.
    selection
        For each series that was found, one sentence that says whether it was taken and why; no patient data.
    """

    volume: Volume
    series_id: str
    flags: tuple[Code, ...] = ()
    selection: tuple[str, ...] = ()
