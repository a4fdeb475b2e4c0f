# SPDX-License-Identifier: Apache-2.0
"""Fractures by deforming real CTs whose vertebrae are known: real texture, known truth.

``load_patients`` finds the CTs, ``warped_spines`` deforms them. Samples look to training like those of
``vcf_training.phantom``, with the patient's name for splits.
"""

from vcf_training.warp.collapse import Collapse, Mild
from vcf_training.warp.dataset import warped_spine, warped_spines
from vcf_training.warp.heights import SixPoints, measure, six_points
from vcf_training.warp.patients import Patient, load_patients
from vcf_training.warp.render import Scanner, WarpedSpine, render

__all__ = [
    "Collapse",
    "Mild",
    "Patient",
    "Scanner",
    "SixPoints",
    "WarpedSpine",
    "load_patients",
    "measure",
    "render",
    "six_points",
    "warped_spine",
    "warped_spines",
]
