# SPDX-License-Identifier: Apache-2.0
"""A spine phantom: synthetic CTs of whole patients with graded fractures and exact truth.

``sample`` draws a patient, ``render`` makes the CT. NumPy, SciPy and (for ``vcf_training.phantom.dicom``) pydicom only.
"""

from vcf_training.phantom.fracture import Fracture, genant_grade
from vcf_training.phantom.ranges import HELD_OUT_RANGES, TRAINING_RANGES, Ranges
from vcf_training.phantom.render import (
    Phantom,
    Slices,
    Vertebra,
    extent_mm,
    fractured_in,
    render,
    render_slices,
    with_acquisition,
)
from vcf_training.phantom.sampling import nominal, sample
from vcf_training.phantom.spec import PhantomSpec

__all__ = [
    "HELD_OUT_RANGES",
    "TRAINING_RANGES",
    "Fracture",
    "Phantom",
    "PhantomSpec",
    "Ranges",
    "Slices",
    "Vertebra",
    "extent_mm",
    "fractured_in",
    "genant_grade",
    "nominal",
    "render",
    "render_slices",
    "sample",
    "with_acquisition",
]
