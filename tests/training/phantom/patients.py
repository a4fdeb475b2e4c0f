# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

from vcf_training.phantom import PhantomSpec
from vcf_training.phantom.spec import Posture


def upright(spec: PhantomSpec) -> PhantomSpec:
    """The patient with a straight spine, so that heights are measured along z and canals in the slice."""
    return replace(spec, posture=Posture(kyphosis_deg=0.0, lordosis_deg=0.0))
