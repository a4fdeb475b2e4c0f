# SPDX-License-Identifier: Apache-2.0
"""Marked values in everything that identifies a patient, and a search for them in all that the gateway leaves."""

import io
import logging
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import config as pydicom_config
from pydicom.dataset import Dataset

from tests.clients.ct_series import CtSeries
from tests.clients.gateway.conftest import GatewayProcess, running, wait_for
from tests.clients.gateway.fake_analyzer import FakeAnalyzer
from tests.clients.gateway.peers import Archive, association, encoded, store, store_raw
from vcf_client.gateway import log
from vcf_client.gateway.config import Config
from vcf_client.gateway.service import Gateway
from vcf_client.gateway.status import counts

TEXTS = {
    "PatientName": "MARKED^Name",
    "PatientID": "MARKED-PID",
    "OtherPatientIDs": "MARKED-OTHER",
    "PatientAddress": "MARKED Street",
    "PatientTelephoneNumbers": "MARKED-0815",
    "PatientComments": "MARKED comment",
    "AccessionNumber": "MARKED-ACC",
    "StudyID": "MARKED-SID",
    "StudyDescription": "MARKED study",
    "SeriesDescription": "MARKED series",
    "ProtocolName": "MARKED protocol",
    "ReferringPhysicianName": "MARKED^Doctor",
    "OperatorsName": "MARKED^Operator",
    "InstitutionName": "MARKED Hospital",
    "StationName": "MARKED-CT",
    "RequestedProcedureID": "MARKED-RP",
}
DATES = {
    "PatientBirthDate": "19331122",
    "StudyDate": "20070509",
    "SeriesDate": "20070509",
    "AcquisitionDate": "20070509",
}
UID = "1.3.6.1.4.1.99999.31415926"
MARKS = ("MARKED", "marked", "19331122", "20070509", "1933-11-22", "2007-05-09", "31415926")


def marked(number: int, **elements: object) -> CtSeries:
    return CtSeries(
        slices=int(str(elements.pop("slices", 40))),
        study_uid=f"{UID}.{number}",
        series_uid=f"{UID}.{number}.1",
        frame_of_reference_uid=f"{UID}.{number}.2",
        elements={**TEXTS, **DATES, **elements},
    )


def everything_sent(port: int) -> None:
    """Studies that are fine, that are refused, and that break whatever can be broken."""
    odd = marked(4)
    images = odd.images()
    pydicom_config.settings.writing_validation_mode, before = (
        pydicom_config.IGNORE,
        pydicom_config.settings.writing_validation_mode,
    )
    try:
        for image in images:
            image.PatientBirthDate = "MARKED-date"
            image.PatientAge = "MARKED"
            image.PatientSex = "MARKEDX"
            image.add_new(0x00091001, "LO", "MARKED private")
        groups: list[list[Dataset]] = [
            marked(1).images(),
            marked(2, slices=5).images(),
            marked(3, Modality="MR").images(),
            images,
            marked(5, SpecificCharacterSet="MARKED_CHARSET").images(),
            marked(6, RescaleSlope=None).images(),
            marked(7, ImagePositionPatient=None).images(),
        ]
        for group in groups:
            store(port, group)
    finally:
        pydicom_config.settings.writing_validation_mode = before
    image = marked(8).images()[0]
    with association(port, image.SOPClassUID, calling="MARKED") as to:
        store_raw(to, encoded(image), image.SOPClassUID, f"{UID}.9")
        store_raw(to, encoded(image)[:300], image.SOPClassUID, image.SOPInstanceUID)
        store_raw(to, b"MARKED" * 50, image.SOPClassUID, image.SOPInstanceUID)


def left_behind(spool: Path) -> str:
    """Names of all files, and the bytes of all that are not DICOM."""
    files = [path for path in spool.rglob("*") if path.is_file()]
    names = "\n".join(str(path.relative_to(spool)) for path in spool.rglob("*"))
    return names + "".join(path.read_bytes().decode("latin-1") for path in files if path.suffix != ".dcm")


@pytest.mark.slow
def test_no_marked_value_in_logs_journal_or_names(config: Config, archive: Archive, tmp_path: Path) -> None:
    gateway = GatewayProcess(tmp_path, config)
    archive.status = 0xA700
    with running(gateway):
        everything_sent(config.port)
        wait_for(lambda: archive.associations >= 2)
        wait_for(lambda: gateway.counts()["studies"].get("refused", 0) >= 4)
        during = left_behind(config.spool)
        archive.status = 0x0000
        wait_for(lambda: set(gateway.counts()["studies"]) <= {"done", "refused", "failed"})
    settings = tmp_path / "gateway.toml"
    status = subprocess.run(
        [sys.executable, "-m", "vcf_cli", "gateway", "status", "--config", settings], capture_output=True, text=True
    )
    said = gateway.log.read_text()
    counted = gateway.counts()
    assert archive.got and "is refused" in said and "not understood" in said and "not delivered" in said
    assert sum(counted["studies"].values()) >= 7
    with sqlite3.connect(config.spool / "journal.sqlite") as db:
        rows = [str(row) for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
                for row in db.execute(f"SELECT * FROM {table}")]  # fmt: skip
    assert len(rows) > 40
    everything = "\n".join([during, left_behind(config.spool), said, status.stdout, status.stderr, *rows])
    for mark in MARKS:
        assert mark not in everything


@pytest.fixture
def log_text() -> Iterator[io.StringIO]:
    """What a configured process would say on standard error; the test's own logging is put back after."""
    root, own = logging.getLogger(), log.logger
    before = (root.handlers, root.level, own.handlers, own.propagate, own.level, sys.excepthook, threading.excepthook)
    stream = io.StringIO()
    log.configure(stream)
    yield stream
    root.handlers, level, own.handlers, own.propagate, own_level, sys.excepthook, threading.excepthook = before
    root.setLevel(level)
    own.setLevel(own_level)


def test_the_text_of_an_unexpected_error_is_not_told(
    config: Config, archive: Archive, log_text: io.StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    analyzer = FakeAnalyzer()
    analyzer.error = ValueError("invalid value for PN: MARKED^Name")
    with Gateway(config, analyzer):
        store(config.port, marked(1).images())
        wait_for(lambda: counts(config.spool)["studies"] == {"failed": 1})
        thread = threading.Thread(target=lambda: 1 / int("MARKED", 36) and int("MARKED^"))
        thread.start()
        thread.join()
    assert "ValueError at" in log_text.getvalue()
    assert "stopped by ValueError" in log_text.getvalue()
    assert counts(config.spool)["failed"] == {"ValueError": 1}
    for text in (log_text.getvalue(), *capfd.readouterr(), left_behind(config.spool)):
        assert not any(mark in text for mark in MARKS)


def test_the_key_is_for_its_owner_only(config: Config) -> None:
    with Gateway(config, FakeAnalyzer()):
        assert (config.spool / "key").stat().st_mode & 0o077 == 0
        assert config.spool.stat().st_mode & 0o077 == 0
