# SPDX-License-Identifier: Apache-2.0
"""The client against the real server: what it says must be what the same preparation says in this process."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.clients.ct_series import CtSeries
from vcf_client import VcfClient
from vcf_client.reader import read_study
from vcf_contract import contract
from vcf_contract.errors import Code, DeadlineExceeded, StudyRefused
from vcf_preprocess import slices
from vcf_preprocess.geometry import Volume
from vcf_preprocess.spine import prepare

if TYPE_CHECKING:
    from vcf_server.server import TritonServer

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("series")
    CtSeries(slices=60).write(folder)
    return folder


def test_a_folder_of_dicom_to_findings(triton_server: TritonServer, folder: Path) -> None:
    study = read_study(folder)
    with VcfClient(triton_server.grpc_url) as client:
        assert client.is_ready()
        findings = client.analyze(folder)
    volume = study.volume
    indices = slices.pick(len(volume.hu), volume.spacing_mm[0], location_mm=volume.slice_location_mm)
    canal_grid = _canal_in_the_middle(len(indices))
    spine = prepare(volume.hu, volume.spacing_mm, indices, canal_grid, location_mm=volume.slice_location_mm)
    np.testing.assert_allclose(findings.centre_line_mm, volume.to_lps_mm(spine.centre_line_mm), atol=1e-3)
    np.testing.assert_array_equal(findings.midsagittal.hu, spine.midsagittal)
    np.testing.assert_allclose([p.location for p in findings.patches], spine.location, atol=1e-6)
    assert findings.study_score == max(p.score for p in findings.patches)
    assert list(findings.timings_ms) == ["read", "prepare", "scout", "network", *contract.STAGES[-3:]]
    assert findings.timings_ms["read"] > 0
    assert len(findings.model.hash) == 64 and findings.model.version == "1"


def test_refusal_of_the_server_reaches_the_caller(triton_server: TritonServer, folder: Path) -> None:
    study = read_study(folder)
    air = Volume(np.full_like(study.volume.hu, -1000), study.volume.spacing_mm, study.volume.affine)
    with VcfClient(triton_server.grpc_url) as client, pytest.raises(StudyRefused) as refused:
        client.analyze(replace(study, volume=air))
    assert refused.value.code is Code.SPINE_NOT_FOUND


def test_deadline_of_the_caller_is_kept(triton_server: TritonServer, folder: Path) -> None:
    study = read_study(folder)
    with VcfClient(triton_server.grpc_url, deadline_s=0.001) as client, pytest.raises(DeadlineExceeded):
        client.analyze(study)


def _canal_in_the_middle(n: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """The answer of the tiny detector: sure of the middle cell, of nothing else."""
    _, side, _, channels = contract.CANAL_GRID.shape
    grid = np.zeros((n, side, side, channels), np.float32)
    grid[..., 4::5] = -8
    grid[:, side // 2, side // 2, 4] = 8
    return grid
