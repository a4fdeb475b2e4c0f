# SPDX-License-Identifier: Apache-2.0
"""How often the voxels cross a process border, and how many bytes a study has copied: numbers that may only fall."""

import pytest

from vcf_benchmarks.copies.budget import REQUESTS, StudySize, Who, budget, total
from vcf_client.routes import TRANSPORTS
from vcf_contract.contract import CROP, ENSEMBLES, MODELS, VCF, VCF_CROP, VCF_DICOM, VCF_SCOUT, VOLUME

HOPS = {VCF.name: 2, VCF_SCOUT.name: 0, VCF_CROP.name: 1, VCF_DICOM.name: 2}

STUDY = StudySize(
    volume=(300, 512, 512),
    crop=(300, 96, 64),
    slice_images=12,
    patches=7,
    picture=(260, 250),
    dicom_bytes=300 * (512 * 512 * 2 + 2000),
    dicom_files=300,
)
BUDGET_MB = {
    "shm": (10.0, 6.3, 13.1, 9.9),
    "crop": (17.4, 13.7, 16.7, 9.9),
    "volume": (314.6, 314.6, 631.2, 323.9),
    "dicom": (315.8, 473.7, 789.7, 797.6),
}
"""Of ``STUDY``, by client, kernel, server and stubs."""


@pytest.mark.parametrize("entry", ENSEMBLES, ids=lambda d: d.name)
def test_hops_of_the_voxels(entry):
    python = {model.name for model in MODELS if not model.network}
    hops = [
        (step.model, outside)
        for step in entry.steps
        if step.model in python
        for outside in (*step.inputs.values(), *step.outputs.values())
        if outside in (VOLUME.name, CROP.name)
    ]
    assert len(hops) == HOPS[entry.name], hops


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_bytes_copied_stay_within_the_budget(transport):
    copies = budget(transport, STUDY)
    found = {who: total(copies, who) / 1e6 for who in Who}
    for who, allowed in zip(Who, BUDGET_MB[transport], strict=True):
        assert found[who] <= allowed, f"{who} copies {found[who]:.2f} MB, the budget is {allowed} MB"
        assert found[who] > 0.95 * allowed, f"{who} copies {found[who]:.2f} MB: lower the budget of {allowed} MB"


def test_every_transport_has_a_budget():
    assert set(BUDGET_MB) == set(REQUESTS) == set(TRANSPORTS)
