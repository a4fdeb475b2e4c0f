# SPDX-License-Identifier: Apache-2.0
"""How often the voxels cross a process border, by the wiring: a number that may only fall."""

import pytest

from vcf.contract import CROP, ENSEMBLES, MODELS, VCF, VCF_CROP, VCF_DICOM, VCF_SCOUT, VOLUME

BUDGET = {VCF.name: 2, VCF_SCOUT.name: 0, VCF_CROP.name: 1, VCF_DICOM.name: 2}


@pytest.mark.parametrize("door", ENSEMBLES, ids=lambda d: d.name)
def test_hops_of_the_voxels(door):
    python = {model.name for model in MODELS if not model.network}
    hops = [
        (step.model, outside)
        for step in door.steps
        if step.model in python
        for outside in (*step.inputs.values(), *step.outputs.values())
        if outside in (VOLUME.name, CROP.name)
    ]
    assert len(hops) == BUDGET[door.name], hops
