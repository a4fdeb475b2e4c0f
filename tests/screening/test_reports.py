# SPDX-License-Identifier: Apache-2.0
"""Reports of a screening in a real PACS: there once, however often they are sent."""

from pathlib import Path

import pytest

from tests.clients.ct_series import CtSeries
from tests.clients.gateway.fake_analyzer import FakeAnalyzer
from tests.clients.gateway.orthanc import Orthanc
from vcf_client.dicom.source import source_of
from vcf_client.gateway.key import Key
from vcf_client.reader import read_files
from vcf_screening import reports
from vcf_screening.failures import PassingError
from vcf_screening.web_studies import OPEN


@pytest.mark.slow
def test_sent_twice_there_once(tmp_path: Path) -> None:
    paths = CtSeries().write(tmp_path / "ct")
    files = [path.read_bytes() for path in paths]
    study, uid = read_files(files)
    findings = FakeAnalyzer().analyze(study)
    with Orthanc(tmp_path / "orthanc", {}) as orthanc:
        orthanc.upload(paths)
        for _ in range(2):
            reports.send(findings, source_of(files, uid), Key(b"k"), orthanc.dicomweb_url, OPEN)
        assert [len(instances) for instances in orthanc.count("SR").values()] == [1]
        assert len(orthanc.get("/studies")) == 1
        url = orthanc.dicomweb_url
    with pytest.raises(PassingError) as away:
        reports.send(findings, source_of(files, uid), Key(b"k"), url, OPEN)
    assert away.value.failure.unreachable and away.value.failure.code == "REPORT"
