# SPDX-License-Identifier: Apache-2.0
"""A study ready to be analysed: one checked CT series as a canonical volume."""

from dataclasses import dataclass

from vcf_contract.errors import Code
from vcf_preprocess.geometry import Volume


@dataclass(frozen=True)
class Acquisition:
    """Tell what made a series, as its header says; empty or None where it does not. Nothing of it tells of the patient.

    kernel
        ConvolutionKernel, its first value.
    thickness_mm
        The larger of slice thickness and slice distance.
    """

    manufacturer: str = ""
    scanner: str = ""
    kernel: str = ""
    thickness_mm: float | None = None


@dataclass(frozen=True)
class Study:
    """A study as a reader hands it to the client.

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
    acquisition: Acquisition = Acquisition()
