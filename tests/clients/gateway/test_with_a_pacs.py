# SPDX-License-Identifier: Apache-2.0
"""Against a real PACS: Orthanc sends, the gateway is killed, Orthanc gets every result once."""

import os
import shutil
import subprocess
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread

from tests.clients.ct_series import CtSeries
from tests.clients.gateway.conftest import GatewayProcess, running, wait_for
from tests.clients.gateway.orthanc import Orthanc
from vcf_client.gateway.config import Config, Pacs, Poll


@pytest.mark.slow
def test_twenty_studies_at_once_and_two_kills(to_orthanc: Config, orthanc: Orthanc, tmp_path: Path) -> None:
    studies = []
    for number in range(20):
        refused = number == 7
        series = CtSeries(slices=6 if refused else 30, size=48, elements={"PatientID": f"P{number}"})
        studies.append(orthanc.upload(series.write(tmp_path / f"{number}")))
    gateway = GatewayProcess(tmp_path, to_orthanc, takes_s=0.2)
    with running(gateway):
        jobs = [orthanc.send(study, "vcf") for study in studies]
        wait_for(lambda: len(list(to_orthanc.spool.glob("incoming/*/*.dcm"))) > 100, what="the first images")
        gateway.kill()
        gateway.start()

        def all_sent() -> bool:
            states = {job: orthanc.job_state(job) for job in jobs}
            for job, state in states.items():
                if state == "Failure":  # as a PACS does that was told nothing
                    orthanc.resubmit(job)
            return set(states.values()) == {"Success"}

        wait_for(all_sent, 120, "the end of the transfers")
        wait_for(lambda: len(orthanc.count("SR")) >= 4, what="the first reports")
        gateway.kill()
        assert len(orthanc.count("SR")) < 19, "killed too late to show anything"
        gateway.start()
        wait_for(lambda: gateway.counts()["studies"] == {"done": 19, "refused": 1}, 120, "the end of the work")
        counts = gateway.counts()
    assert counts["refused"] == {"TOO_SHORT": 1}
    assert counts["results"] == {"sent": 38, "waiting": 0}
    wanted = set(studies) - {studies[7]}
    for modality in ("SR", "OT"):
        found = orthanc.count(modality)
        assert set(found) == wanted
        assert all(len(instances) == 1 for instances in found.values()), f"a result of {modality} is there twice"
    assert len(orthanc.get("/patients")) == 20, "results are filed under the patients they came from"
    analysed = gateway.notes.read_text().split()
    assert 19 <= len(analysed) <= 19 + 1, "only the study in hand when the gateway was killed is analysed again"
    assert not list(to_orthanc.spool.glob("outbox/*"))


@pytest.mark.slow
def test_a_study_that_is_sent_again_is_not_analysed_again(to_orthanc: Config, orthanc: Orthanc, tmp_path: Path) -> None:
    study = orthanc.upload(CtSeries().write(tmp_path / "ct"))
    images = orthanc.get("/series")
    gateway = GatewayProcess(tmp_path, to_orthanc)
    with running(gateway):
        orthanc.send(study, "vcf")
        wait_for(lambda: gateway.counts()["studies"] == {"done": 1})
        for kill in (False, True):
            if kill:
                gateway.kill()
                gateway.start()
            job = orthanc.send(images[0], "vcf")
            wait_for(lambda job=job: orthanc.job_state(job) == "Success")
        job = orthanc.send(study, "vcf")
        wait_for(lambda: orthanc.job_state(job) == "Failure")  # the gateway's own results are answered with 0122
        assert gateway.counts()["studies"] == {"done": 1}
    assert gateway.log.read_text().count("is complete") == 1
    assert len(gateway.notes.read_text().split()) == 1


@pytest.mark.slow
def test_storescu_and_a_pacs_that_is_down_at_first(to_orthanc: Config, tmp_path: Path) -> None:
    # pynetdicom has a program of that name, too: in an activated environment it is found first.
    found = (shutil.which("storescu", path=folder) for folder in os.get_exec_path())
    version = {path: subprocess.run([path, "--version"], capture_output=True).stdout for path in found if path}
    storescu = next((path for path, said in version.items() if b"dcmtk" in said), None)
    if storescu is None:
        pytest.skip("storescu is not installed (package dcmtk)")
    CtSeries().write(tmp_path / "ct")
    pacs = Orthanc(tmp_path / "later", {"vcf": ("VCF", to_orthanc.port)})
    config = replace(to_orthanc, pacs=Pacs(pacs.ae_title, "127.0.0.1", pacs.dicom_port))
    gateway = GatewayProcess(tmp_path, config)
    with running(gateway):
        sent = subprocess.run(
            [storescu, "-aec", "VCF", "--scan-directories", "127.0.0.1", str(config.port), tmp_path / "ct"],
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert sent.returncode == 0, sent.stderr
        wait_for(lambda: gateway.counts()["results"]["waiting"] == 2)
        with pacs:
            wait_for(lambda: gateway.counts()["studies"] == {"done": 1})
            assert [len(each) for each in pacs.count("SR").values()] == [1]


@pytest.mark.slow
def test_dicomweb_both_ways(config: Config, orthanc: Orthanc, tmp_path: Path) -> None:
    from tests.clients.gateway.fake_analyzer import FakeAnalyzer
    from vcf_client.gateway.service import Gateway

    series = CtSeries()
    orthanc.upload(series.write(tmp_path / "ct"))
    web = replace(
        config,
        pacs=Pacs(dicomweb_url=orthanc.dicomweb_url),
        poll=Poll(orthanc.dicomweb_url, every_s=0.3, filters={"ModalitiesInStudy": "CT"}),
    )
    analyzer = FakeAnalyzer()
    with Gateway(web, analyzer):
        found = wait_for(lambda: orthanc.count("SR") if orthanc.count("OT") else None)
        assert [len(each) for each in found.values()] == [1]
        seen = analyzer.calls
        wait_for(lambda: len(orthanc.get("/series")) == 3)
    with Gateway(web, analyzer):  # a restart looks at the study again, and knows it
        import time

        time.sleep(2)
    assert analyzer.calls == seen == 1
    report = dcmread(BytesIO(orthanc.file(next(iter(found.values()))[0])))
    assert report.StudyInstanceUID == series.study_uid
    assert len(orthanc.get("/instances")) == series.slices + 2
