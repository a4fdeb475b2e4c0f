# SPDX-License-Identifier: Apache-2.0
"""From the first image to the results in the archive: what goes right, what goes wrong, what comes late."""

import sqlite3
from dataclasses import replace

import pytest
from pydicom.dataset import Dataset

from tests.clients.ct_series import CtSeries
from tests.clients.gateway.conftest import wait_for
from tests.clients.gateway.fake_analyzer import FakeAnalyzer
from tests.clients.gateway.peers import Archive, association, store
from vcf_client.gateway.config import Config
from vcf_client.gateway.service import Gateway
from vcf_client.gateway.status import counts
from vcf_contract.errors import ServerFailed


def settled(config: Config, **studies: int) -> None:
    wait_for(lambda: counts(config.spool)["studies"] == studies, 30, f"{studies}")


def test_report_and_picture_come_back(config: Config, analyzer: FakeAnalyzer, archive: Archive) -> None:
    series = CtSeries()
    with Gateway(config, analyzer):
        store(config.port, series.images())
        settled(config, done=1)
    (report,), (picture,) = archive.of("SR"), archive.of("OT")
    assert report.StudyInstanceUID == picture.StudyInstanceUID == series.study_uid
    assert report.PatientName == "Müller^Jörg"
    assert archive.associations == 1, "both go in one association"
    assert not list(config.spool.glob("outbox/*"))


def test_a_refused_study_has_a_code_and_no_results(config: Config, analyzer: FakeAnalyzer, archive: Archive) -> None:
    with Gateway(config, analyzer):
        store(config.port, CtSeries(slices=5).images())
        store(config.port, CtSeries(elements={"ConvolutionKernel": "B70f"}).images())
        settled(config, refused=2)
    assert counts(config.spool)["refused"] == {"LUNG_KERNEL": 1, "TOO_SHORT": 1}
    assert archive.got == [] and analyzer.calls == 0


def test_a_refusal_is_reported_if_wanted(config: Config, analyzer: FakeAnalyzer, archive: Archive) -> None:
    images = CtSeries(slices=5).images()
    with Gateway(replace(config, report_refusals=True), analyzer):
        store(config.port, images)
        wait_for(lambda: archive.got)
        settled(config, refused=1)
        store(config.port, CtSeries(slices=1, study_uid=images[0].StudyInstanceUID).images())
        wait_for(lambda: "receiving" in counts(config.spool)["studies"])
        settled(config, refused=1)
    (report,) = archive.got
    assert report.Modality == "SR" and report.StudyInstanceUID == images[0].StudyInstanceUID
    assert any(item.get("TextValue", "").startswith("TOO_SHORT: ") for item in report.ContentSequence)


def test_nothing_is_lost_while_the_server_is_down(config: Config, analyzer: FakeAnalyzer, archive: Archive) -> None:
    analyzer.ready = False
    with Gateway(replace(config, max_attempts=1), analyzer):
        store(config.port, CtSeries().images())
        settled(config, ready=1)
        analyzer.ready = True
        settled(config, done=1)


def test_a_server_that_fails_at_a_study_is_asked_a_few_times(
    config: Config, analyzer: FakeAnalyzer, archive: Archive
) -> None:
    analyzer.error = ServerFailed("a tensor is missing")
    with Gateway(replace(config, max_attempts=3), analyzer):
        store(config.port, CtSeries().images())
        settled(config, failed=1)
    assert analyzer.calls == 3
    assert counts(config.spool)["failed"] == {"ServerFailed": 1}


def test_an_archive_that_is_full_gets_the_results_later(
    config: Config, analyzer: FakeAnalyzer, archive: Archive
) -> None:
    archive.status = 0xA700
    with Gateway(config, analyzer):
        store(config.port, CtSeries().images())
        wait_for(lambda: archive.associations >= 3, 30, "the third attempt")
        assert counts(config.spool)["results"] == {"sent": 0, "waiting": 2}
        archive.status = 0x0000
        settled(config, done=1)
    assert len(archive.got) == 2 and analyzer.calls == 1


def test_a_warning_of_the_archive_is_a_success(config: Config, analyzer: FakeAnalyzer, archive: Archive) -> None:
    archive.status = 0xB000
    with Gateway(config, analyzer):
        store(config.port, CtSeries().images())
        settled(config, done=1)


def test_an_open_association_holds_its_study_back(config: Config, analyzer: FakeAnalyzer, archive: Archive) -> None:
    images = CtSeries().images()
    with Gateway(config, analyzer):
        with association(config.port, images[0].SOPClassUID) as to:
            for image in images[:30]:
                to.send_c_store(image)
            with pytest.raises(AssertionError):
                wait_for(lambda: "receiving" not in counts(config.spool)["studies"], 4 * config.quiet_s)
            for image in images[30:]:
                to.send_c_store(image)
        settled(config, done=1)
    assert len(archive.of("SR")[0].CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
               .ReferencedSOPSequence) == 40  # fmt: skip
    assert analyzer.calls == 1


@pytest.mark.slow
def test_an_association_that_breaks_off_waits_for_its_rest(
    config: Config, analyzer: FakeAnalyzer, archive: Archive
) -> None:
    images = CtSeries().images()
    with Gateway(replace(config, quiet_after_abort_s=60.0), analyzer):
        with association(config.port, images[0].SOPClassUID) as to:
            for image in images[:30]:
                to.send_c_store(image)
            to.abort()
        with pytest.raises(AssertionError):
            wait_for(lambda: "receiving" not in counts(config.spool)["studies"], 5 * config.quiet_s)
        store(config.port, images[30:])
        settled(config, done=1)
    assert analyzer.calls == 1


@pytest.mark.slow
def test_a_study_that_goes_on_after_its_rest_is_reported_once_and_whole(
    config: Config, analyzer: FakeAnalyzer, archive: Archive
) -> None:
    """Both halves could be analysed; the first one is, and its results never leave."""
    images = CtSeries().images()
    with Gateway(replace(config, settle_s=600.0), analyzer):
        store(config.port, images[:25])
        wait_for(lambda: counts(config.spool)["results"]["waiting"] == 2)
        store(config.port, images[25:])
        wait_for(lambda: analyzer.calls == 2 and counts(config.spool)["results"]["waiting"] == 2)
    assert archive.got == []
    with Gateway(config, analyzer):  # the results are due by now
        with sqlite3.connect(config.spool / "journal.sqlite") as db:
            db.execute("UPDATE result SET not_before = 0")
        db.close()
        settled(config, done=1)
    (report,), (picture,) = archive.of("SR"), archive.of("OT")
    assert evidence(report) == 40 and picture.StudyInstanceUID == images[0].StudyInstanceUID
    assert analyzer.calls == 2 and len(archive.got) == 2


@pytest.mark.slow
def test_halves_while_the_archive_is_down_make_one_report(config: Config, analyzer: FakeAnalyzer) -> None:
    images = CtSeries().images()
    later = Archive()
    with Gateway(config, analyzer):
        store(config.port, images[:25])
        wait_for(lambda: counts(config.spool)["not_delivered"] == {"not reached": 2})
        store(config.port, images[25:])
        wait_for(lambda: analyzer.calls == 2)
        later.start(config.pacs.port)
        settled(config, done=1)
    later.stop()
    assert [evidence(report) for report in later.of("SR")] == [40]


def evidence(report: Dataset) -> int:
    (series,) = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
    return len(series.ReferencedSOPSequence)


@pytest.mark.slow
def test_images_that_come_late_make_new_results_in_the_same_series(
    config: Config, analyzer: FakeAnalyzer, archive: Archive
) -> None:
    images = CtSeries().images()
    with Gateway(config, analyzer):
        store(config.port, images[:35])
        settled(config, done=1)
        store(config.port, images)
        wait_for(lambda: len(archive.got) == 4)
        settled(config, done=1)
    first, second = archive.of("SR")
    assert (evidence(first), evidence(second)) == (35, 40)
    assert first.SeriesInstanceUID == second.SeriesInstanceUID
    assert first.SOPInstanceUID != second.SOPInstanceUID


@pytest.mark.slow
def test_late_images_of_another_series_do_not_repeat_the_results(
    config: Config, analyzer: FakeAnalyzer, archive: Archive
) -> None:
    series = CtSeries()
    scout = CtSeries(slices=2, study_uid=series.study_uid, elements={"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]})
    with Gateway(config, analyzer):
        store(config.port, series.images())
        settled(config, done=1)
        store(config.port, scout.images())
        wait_for(lambda: analyzer.calls == 2)
        settled(config, done=1)
    assert len(archive.got) == 2
    assert not list(config.spool.glob("outbox/*"))


@pytest.mark.slow
def test_late_images_that_cannot_be_analysed_do_not_undo_what_was_sent(
    config: Config, analyzer: FakeAnalyzer, archive: Archive
) -> None:
    series = CtSeries()
    with Gateway(replace(config, keep_s=0.0), analyzer) as gateway:
        store(config.port, series.images())
        settled(config, done=1)
        gateway._keep_house()
        assert not list(config.spool.glob("incoming/*"))
        store(config.port, CtSeries(slices=2, study_uid=series.study_uid).images())
        wait_for(lambda: counts(config.spool)["studies"] == {"receiving": 1})
        settled(config, done=1)
    assert len(archive.got) == 2


@pytest.mark.slow
def test_uids_are_the_same_in_every_run_of_the_same_spool(config: Config, archive: Archive, tmp_path_factory) -> None:  # type: ignore[no-untyped-def]
    images = CtSeries().images()
    for _ in range(2):
        with Gateway(config, FakeAnalyzer()):
            store(config.port, images)
            settled(config, done=1)
        (config.spool / "journal.sqlite").unlink()  # as if it had never been sent
    again, other = archive.of("SR"), tmp_path_factory.mktemp("other")
    assert again[0].SOPInstanceUID == again[1].SOPInstanceUID
    with Gateway(replace(config, spool=other), FakeAnalyzer()):
        store(config.port, images)
        wait_for(lambda: len(archive.of("SR")) == 3)
    assert archive.of("SR")[2].SOPInstanceUID != again[0].SOPInstanceUID, "another key, other UIDs"
    assert again[0].SOPInstanceUID not in (images[0].SOPInstanceUID, images[0].SeriesInstanceUID)


@pytest.mark.slow
def test_two_workers_share_the_work(config: Config, archive: Archive) -> None:
    with Gateway(replace(config, workers=2), FakeAnalyzer(takes_s=0.3)):
        for _ in range(4):
            store(config.port, CtSeries().images())
        settled(config, done=4)
    assert len({result.SOPInstanceUID for result in archive.got}) == len(archive.got) == 8
