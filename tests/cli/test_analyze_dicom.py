# SPDX-License-Identifier: Apache-2.0
"""``vcf analyze --sr --sc`` end to end: the objects belong to the study they were made from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydicom import dcmread

from tests.clients.ct_series import CtSeries
from vcf_cli import main

if TYPE_CHECKING:
    from vcf_server.server import TritonServer

pytest.importorskip("highdicom", reason="the gateway's extra is not installed")


@pytest.mark.server
def test_report_and_picture(triton_server: TritonServer, tmp_path: Path) -> None:
    series = CtSeries(slices=60)
    series.write(tmp_path / "in")
    sr, sc = tmp_path / "report.dcm", tmp_path / "picture.dcm"
    words = ["analyze", str(tmp_path / "in"), "--server", triton_server.grpc_url, "--sr", str(sr), "--sc", str(sc)]
    assert main(words) == 0
    report, picture = dcmread(sr), dcmread(sc)
    assert (report.Modality, picture.Modality) == ("SR", "OT")
    assert report.StudyInstanceUID == picture.StudyInstanceUID == series.study_uid
    assert len({series.series_uid, report.SeriesInstanceUID, picture.SeriesInstanceUID}) == 3
    assert len(picture.SourceImageSequence) == 60
