# SPDX-License-Identifier: Apache-2.0
"""QIDO-RS: what a DICOMweb service has, read page by page to the end (DICOM PS3.18 section 10.6 and 8.3.4.4)."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from dicomweb_client import DICOMwebClient
from requests.exceptions import RequestException

from vcf_client.gateway.intake import ACCEPTED_CLASSES

Row = dict[str, Any]

_STUDY_UID, _SERIES_UID, _SOP_UID, _SOP_CLASS = "0020000D", "0020000E", "00080018", "00080016"
_MODALITY, _STUDY_COUNT, _SERIES_COUNT = "00080060", "00201208", "00201209"
_PAUSE_S = 0.2
_USEFUL = {"CT", "PT", ""}
"""Modalities of series that are fetched; a service need not tell them."""


@dataclass(frozen=True)
class Listing:
    """The images of a study that may be of use.

    images
        SOP instance UIDs of each series.
    unlisted
        How many more there are by the service's own counts.
    """

    images: dict[str, frozenset[str]]
    unlisted: int


class Directory:
    """Tell what is in a service. Its errors, of ``requests``, pass through."""

    def __init__(self, client: DICOMwebClient) -> None:
        self._client = client

    def studies(self, filters: dict[str, str]) -> Iterator[tuple[str, int]]:
        """Studies that are found, with their number of images; 0 where the service gives none."""
        rows = _pages(
            lambda offset: self._client.search_for_studies(
                search_filters=filters, offset=offset, fields=["NumberOfStudyRelatedInstances"]
            ),
            _STUDY_UID,
        )
        return ((uid, _number(row, _STUDY_COUNT)) for uid, row in rows)

    def series(self, study_uid: str) -> dict[str, Row]:
        """All series of a study."""
        return dict(
            _pages(
                lambda offset: self._client.search_for_series(
                    study_uid, offset=offset, fields=["NumberOfSeriesRelatedInstances"]
                ),
                _SERIES_UID,
            )
        )

    def counts(self, study_uid: str) -> dict[str, int]:
        """Number of images of each series that may be of use."""
        return {uid: _number(row, _SERIES_COUNT) for uid, row in self.series(study_uid).items() if _is_useful(row)}

    def listing(self, study_uid: str, promised: int, seen: Iterable[tuple[str, int]]) -> Listing:
        """All images to be fetched.

        Parameters
        ----------
        promised
            Number of all images of the study, from `studies`; 0 if it is not known.
        seen
            What `counts` has told before; what is missing now is not listed.
        """
        images, listed, unlisted, is_known = {}, 0, 0, True
        for series_uid, row in self.series(study_uid).items():
            count = _number(row, _SERIES_COUNT)
            if _is_useful(row):
                rows = self._instances(study_uid, series_uid)
                images[series_uid] = frozenset(uid for uid, one in rows.items() if _is_accepted(one))
                unlisted += max(0, count - len(rows))
                count = max(count, len(rows))
            listed += count
            is_known &= count > 0
        gone = sum(max(1, count) for series_uid, count in seen if series_uid not in images)
        if is_known:  # a whole series may never have been on the list
            unlisted += max(0, promised - listed - gone)
        return Listing(images, unlisted + gone)

    def _instances(self, study_uid: str, series_uid: str) -> dict[str, Row]:
        return dict(
            _pages(lambda offset: self._client.search_for_instances(study_uid, series_uid, offset=offset), _SOP_UID)
        )


def _pages(search: Callable[[int | None], list[Row]], uid_tag: str) -> Iterator[tuple[str, Row]]:
    """Rows with their UIDs. The end is a page without anything new: some services ignore the offset and begin again."""
    seen: set[str] = set()
    offset = 0
    while page := _tried_again(lambda: search(offset or None)):  # noqa: B023 - called at once
        rows = {uid: row for row in page if (uid := value(row, uid_tag))}
        new = rows.keys() - seen
        if not new:
            return
        yield from ((uid, row) for uid, row in rows.items() if uid in new)
        seen |= new
        offset += len(rows)


def _tried_again(search: Callable[[], list[Row]]) -> list[Row]:
    """A page, for which the service is asked twice before it costs the whole list."""
    try:
        return search()
    except RequestException:
        time.sleep(_PAUSE_S)
        return search()


def _is_useful(series: Row) -> bool:
    return value(series, _MODALITY) in _USEFUL


def _is_accepted(image: Row) -> bool:
    return value(image, _SOP_CLASS) in ("", *ACCEPTED_CLASSES)


def _number(row: Row, tag: str) -> int:
    text = value(row, tag)
    return int(text) if text.isdigit() else 0


def value(row: Row, tag: str) -> str:
    """First value of an attribute in the DICOM JSON model (PS3.18 annex F), as text."""
    values = row.get(tag, {}).get("Value") or [""]
    return str(values[0]).strip(" \0")
