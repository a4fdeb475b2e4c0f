# SPDX-License-Identifier: Apache-2.0
"""Lists of a service, page by page, whatever it counts and however it pages."""

from collections.abc import Iterator

import pytest
from dicomweb_client import DICOMwebClient
from pydicom.dataset import Dataset
from requests.exceptions import RequestException

from tests.clients.ct_series import CtSeries
from tests.clients.gateway.dicomweb import DicomWeb, Manners
from vcf_client.gateway import qido
from vcf_client.gateway.qido import Directory, Listing, value


@pytest.fixture
def service() -> Iterator[DicomWeb]:
    with DicomWeb() as service:
        yield service


@pytest.fixture
def directory(service: DicomWeb, monkeypatch: pytest.MonkeyPatch) -> Directory:
    monkeypatch.setattr(qido, "_PAUSE_S", 0.0)
    return Directory(DICOMwebClient(service.url))


def instances(series: CtSeries) -> frozenset[str]:
    return frozenset(str(image.SOPInstanceUID) for image in series.images())


@pytest.mark.parametrize(
    "manners", [Manners(), Manners(page=3), Manners(page=7), Manners(page=3, counts=False)], ids=range(4)
)
def test_everything_is_listed_however_a_service_pages(
    service: DicomWeb, directory: Directory, manners: Manners
) -> None:
    series = [CtSeries(slices=7) for _ in range(5)]
    service.images = [image for one in series for image in one.images()]
    service.manners = manners
    assert {uid for uid, _ in directory.studies({})} == {one.study_uid for one in series}
    for one in series:
        found = directory.listing(one.study_uid, 7 if manners.counts else 0, [])
        assert found == Listing({one.series_uid: instances(one)}, 0)


def test_a_service_that_ignores_the_offset_ends(service: DicomWeb, directory: Directory) -> None:
    one = CtSeries(slices=7)
    service.images, service.manners = one.images(), Manners(page=3, ignores_offset=True)
    found = directory.listing(one.study_uid, 7, [])
    assert len(found.images[one.series_uid]) == 3 and found.unlisted == 4


def test_series_of_other_modalities_are_not_of_use(service: DicomWeb, directory: Directory) -> None:
    ct = CtSeries(slices=3)
    mr = CtSeries(slices=3, study_uid=ct.study_uid, elements={"Modality": "MR"})
    service.images = [*ct.images(), *mr.images()]
    assert directory.counts(ct.study_uid) == {ct.series_uid: 3}
    assert directory.listing(ct.study_uid, 6, []) == Listing({ct.series_uid: instances(ct)}, 0)


def test_a_series_that_is_gone_counts_as_not_listed(service: DicomWeb, directory: Directory) -> None:
    ct = CtSeries(slices=3)
    service.images = ct.images()
    assert directory.listing(ct.study_uid, 3, [("1.2.3", 5)]).unlisted == 5
    assert directory.listing(ct.study_uid, 3, [("1.2.3", 0)]).unlisted == 1


def test_one_failure_costs_no_list_and_two_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qido, "_PAUSE_S", 0.0)

    class Failing:
        """A service that fails so many times, and then has one series without a count."""

        def __init__(self, times: int) -> None:
            self.left = times

        def search_for_series(self, *_: object, offset: int | None, **__: object) -> list[qido.Row]:
            self.left -= 1
            if self.left >= 0:
                raise RequestException
            return [] if offset else [{"0020000E": {"Value": ["1.2"]}}]

    assert Directory(Failing(1)).counts("1") == {"1.2": 0}  # type: ignore[arg-type]
    with pytest.raises(RequestException):
        Directory(Failing(2)).counts("1")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({}, ""),
        ({"0020000D": {}}, ""),
        ({"0020000D": {"vr": "UI", "Value": []}}, ""),
        ({"0020000D": {"Value": ["1.2\0"]}}, "1.2"),
        ({"0020000D": {"Value": [" 12 "]}}, "12"),
        ({"0020000D": {"Value": [12]}}, "12"),
    ],
)
def test_values_of_the_json_model(row: qido.Row, text: str) -> None:
    assert value(row, "0020000D") == text


def test_a_made_up_row_is_that_of_pydicom() -> None:
    ds = Dataset()
    ds.StudyInstanceUID = "1.2.3"
    assert value(ds.to_json_dict(), "0020000D") == "1.2.3"
