# SPDX-License-Identifier: Apache-2.0
"""DICOMweb services as sources: as limited and as unreliable as they are, and a real one."""

import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import requests

from tests.clients.ct_series import CtSeries
from tests.clients.gateway.dicomweb import DicomWeb, HangUp, Status, file_of
from tests.clients.gateway.orthanc import Orthanc
from tests.screening.limited_proxy import LimitedProxy
from vcf_contract.errors import Code, SetupError, StudyRefused
from vcf_screening import throttle, web_studies
from vcf_screening.failures import PassingError
from vcf_screening.manifest import Entry
from vcf_screening.web_studies import DEFAULT_FILTERS, OPEN

AT_ONCE = throttle.own_leave(None)


def entries(url: str) -> list[Entry]:
    return list(web_studies.entries(url, DEFAULT_FILTERS, OPEN, AT_ONCE))


def fetch(entry: Entry) -> list[bytes]:
    return web_studies.fetch(entry, OPEN, AT_ONCE).files


@pytest.fixture
def service() -> Iterator[DicomWeb]:
    """Three studies of twelve images."""
    with DicomWeb([image for _ in range(3) for image in CtSeries(slices=12, size=16).images()]) as service:
        yield service


@pytest.mark.parametrize("page", [5, 12, 100])
def test_all_pages_of_studies_and_images(service: DicomWeb, page: int) -> None:
    service.manners.page = page
    found = entries(service.url)
    assert {entry.id for entry in found} == {str(image.StudyInstanceUID) for image in service.images}
    assert [entry.images for entry in found] == [12] * 3
    for entry in found:
        assert sorted(fetch(entry)) == sorted(map(file_of, service.of(entry.id)))


def test_a_service_that_limits_its_answers_is_asked_for_the_rest(service: DicomWeb) -> None:
    service.manners.most_images = 5
    assert len(fetch(entries(service.url)[0])) == 12


def fewer_files(service: DicomWeb) -> None:
    service.manners.files = lambda path, files: files[:3] if path.endswith("series") or path.count("/") == 4 else []


def fewer_rows(service: DicomWeb) -> None:
    service.manners.rows = lambda path, rows: [row for row in rows if not str(row.get("00080018")).endswith(".12']}")]


def series_gone(service: DicomWeb) -> None:
    service.manners.rows = lambda path, rows: [] if path.endswith("series") else rows


@pytest.mark.parametrize("fault", [fewer_files, fewer_rows, series_gone])
def test_a_study_of_which_less_comes_than_is_listed_or_counted_is_incomplete(
    service: DicomWeb, fault: Callable[[DicomWeb], None]
) -> None:
    entry = entries(service.url)[0]
    fault(service)
    with pytest.raises(PassingError) as found:
        fetch(entry)
    assert found.value.failure.code == Code.INCOMPLETE and found.value.failure.is_refusal
    assert entry.id not in str(found.value)


def test_a_study_that_was_deleted_and_never_counted_has_no_images(service: DicomWeb) -> None:
    service.manners.counts = False
    entry = entries(service.url)[0]
    service.images = [image for image in service.images if entry.id != image.StudyInstanceUID]
    with pytest.raises(PassingError) as found:
        fetch(entry)
    assert (found.value.failure.code, found.value.failure.is_refusal) == (Code.NO_IMAGES, True)


def test_a_study_without_ct_is_refused_at_once(service: DicomWeb) -> None:
    for image in service.images:
        image.Modality = "MR"
    with pytest.raises(StudyRefused, match="NOT_CT"):
        fetch(entries(service.url)[0])


def hang_up(path: str) -> None:
    raise HangUp


def fail(path: str) -> None:
    raise Status(503)


@pytest.mark.parametrize("before", [hang_up, fail])
def test_a_service_that_fails_passes(service: DicomWeb, before: Callable[[str], None]) -> None:
    entry = entries(service.url)[0]
    service.manners.before = before
    with pytest.raises(PassingError) as found:
        fetch(entry)
    assert (found.value.failure.code, found.value.failure.unreachable) == ("ARCHIVE", False)
    with pytest.raises(SetupError, match="could not be listed"):
        entries(service.url)


def test_a_service_that_is_away_is_no_fault_of_the_study(service: DicomWeb) -> None:
    entry = entries(service.url)[0]
    service.__exit__(None, None, None)
    try:
        with pytest.raises(PassingError) as found:
            fetch(entry)
        assert found.value.failure.unreachable
    finally:
        service.__enter__()


def test_an_answer_that_breaks_off_is_asked_for_again(service: DicomWeb) -> None:
    """The series ends in the middle of an image; one by one they come whole."""
    service.manners.body = lambda path, body: body[: len(body) // 2] if path.count("/") == 4 else body
    assert len(fetch(entries(service.url)[0])) == 12


@pytest.fixture
def orthanc(tmp_path: Path) -> Iterator[Orthanc]:
    """A real PACS with three studies of twelve images."""
    with Orthanc(tmp_path / "orthanc", {}) as pacs:
        for number in range(3):
            pacs.upload(
                CtSeries(slices=12, size=16, elements={"PatientID": f"P{number}"}).write(tmp_path / f"{number}")
            )
        yield pacs


@pytest.mark.slow
def test_orthanc_behind_small_pages(orthanc: Orthanc) -> None:
    with LimitedProxy(orthanc.url, page=5) as proxy:
        found = entries(proxy.dicomweb_url)
        assert [entry.images for entry in found] == [12] * 3
        stored = {orthanc.file(instance["ID"]) for instance in orthanc.get("/instances?expand")}
        assert {content for entry in found for content in fetch(entry)} == stored
        assert any("offset" in path for path in proxy.asked)


@pytest.mark.slow
def test_orthanc_that_lists_an_image_and_has_lost_its_file(orthanc: Orthanc, tmp_path: Path) -> None:
    found = entries(orthanc.dicomweb_url)
    lost = orthanc.get(f"/studies/{orthanc.get('/studies')[0]}/instances")[0]["ID"]
    uuid = orthanc.get(f"/instances/{lost}/attachments/dicom/info")["Uuid"]
    next((tmp_path / "orthanc" / "storage").rglob(uuid)).unlink()
    orthanc.stop()
    orthanc.__enter__()  # without what it remembers of files
    outcomes = []
    for entry in found:
        try:
            outcomes.append(len(fetch(entry)))
        except PassingError as error:
            outcomes.append(str(error.failure.code))
    # Orthanc reads the file for its list of images already, and answers that with an error.
    assert sorted(map(str, outcomes)) in (["12", "12", "ARCHIVE"], ["12", "12", "INCOMPLETE"])


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "images", "file"])
def test_a_study_that_is_deleted_from_orthanc_meanwhile(orthanc: Orthanc, moment: str) -> None:
    """Before it is fetched, after its images were listed, and after the first file was asked for."""
    with LimitedProxy(orthanc.url) as proxy:
        entry = entries(proxy.dicomweb_url)[0]
        (found,) = (
            study
            for study in orthanc.get("/studies")
            if orthanc.get(f"/studies/{study}")["MainDicomTags"]["StudyInstanceUID"] == entry.id
        )

        def delete(path: str) -> None:
            if moment == "before" or (moment == "images" and "/instances" in path) or path.endswith("/series/"):
                requests.delete(f"{orthanc.url}/studies/{found}", timeout=300)

        def delete_at_first_file(path: str, is_file: bool) -> None:
            if is_file:
                requests.delete(f"{orthanc.url}/studies/{found}", timeout=300)

        if moment == "file":
            proxy.before_file = delete_at_first_file
        else:
            proxy.before = delete
        with pytest.raises(PassingError) as error:
            fetch(entry)
        assert error.value.failure.code in (Code.INCOMPLETE, Code.NO_IMAGES, "ARCHIVE")
        with pytest.raises(PassingError) as again:
            fetch(entry)
        assert again.value.failure.is_refusal and again.value.failure.code in (Code.INCOMPLETE, Code.NO_IMAGES)


@pytest.mark.slow
def test_the_throttle_is_kept_at_the_server(orthanc: Orthanc) -> None:
    """No two requests come closer than the pause, but for the jitter of their way; none gets lost in the counting."""
    per_s = 20.0
    with LimitedProxy(orthanc.url, page=5) as proxy:
        leave = throttle.own_leave(per_s)
        started_s = time.monotonic()
        for entry in web_studies.entries(proxy.dicomweb_url, DEFAULT_FILTERS, OPEN, leave):
            web_studies.fetch(entry, OPEN, leave)
        ended_s = time.monotonic()
        times = sorted(proxy.times_s)
        assert len(times) > 10
        assert len(times) <= (ended_s - started_s) * per_s + 1
        over_four = [later - first for first, later in zip(times, times[4:], strict=False)]
        assert min(over_four) >= 3 / per_s
        assert all(later >= first for first, later in pairwise(times))
