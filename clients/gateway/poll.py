# SPDX-License-Identifier: Apache-2.0
"""Fetch studies from a DICOMweb service that does not send them: QIDO-RS to search, WADO-RS to fetch (PS3.18)."""

from datetime import date
from io import BytesIO
from typing import Any

from pydicom.dataset import Dataset

from clients.dicom.privacy import quiet
from clients.gateway.config import Poll
from clients.gateway.intake import Intake, Session, Status
from clients.gateway.log import logger
from clients.gateway.web import connect

_ANY_SYNTAX = (("application/dicom", "*"),)
"""As the service has it; a service may otherwise decompress every image for us."""
_MODALITIES = ("CT", "PT")


class SpoolRefused(Exception):
    """An image was not taken in; the round ends and the next one goes on."""


class Poller:
    """Looks for studies round after round.

    A study is fetched when two rounds found the same number of images in it: it is complete as far as the service
    knows. Results of the gateway are no CT, so they do not make a study look changed.
    """

    def __init__(self, poll: Poll, intake: Intake) -> None:
        self._poll, self._intake = poll, intake
        self._client = connect(poll)
        self._seen: dict[str, tuple[Any, ...]] = {}
        self._fetched: dict[str, tuple[Any, ...]] = {}

    def work(self) -> None:
        """One round. Errors of the service pass through."""
        today = date.today().strftime("%Y%m%d")
        filters = {name: value.replace("{today}", today) for name, value in self._poll.filters.items()}
        with quiet():
            found = [_value(study, "0020000D") for study in self._client.search_for_studies(search_filters=filters)]
            seen = {}
            for study_uid in found:
                series = self._series(study_uid)
                seen[study_uid] = tuple(sorted(series.items()))
                if self._seen.get(study_uid) == seen[study_uid] != self._fetched.get(study_uid):
                    with self._intake.session() as session:
                        fetched = sum(self._fetch(session, study_uid, series_uid) for series_uid in series)
                    self._fetched[study_uid] = seen[study_uid]
                    if fetched:
                        logger.info("%d images of a study are fetched", fetched)
            self._seen = seen
            self._fetched = {uid: series for uid, series in self._fetched.items() if uid in seen}

    def _series(self, study_uid: str) -> dict[str, int]:
        """Series that may be of use, with their number of images."""
        return {
            _value(series, "0020000E"): int(_value(series, "00201209") or 0)
            for modality in _MODALITIES
            for series in self._client.search_for_series(
                study_uid, search_filters={"Modality": modality}, fields=["NumberOfSeriesRelatedInstances"]
            )
        }

    def _fetch(self, session: Session, study_uid: str, series_uid: str) -> int:
        """Take in what is not here yet; how many images that are."""
        images = [_value(i, "00080018") for i in self._client.search_for_instances(study_uid, series_uid)]
        missing = {uid for uid in images if not self._intake.has(study_uid, uid)}
        if not missing:
            return 0
        for image in self._client.iter_series(study_uid, series_uid, media_types=_ANY_SYNTAX):
            if str(image.SOPInstanceUID) in missing:
                _take(session, image)
        return len(missing)


def _take(session: Session, image: Dataset) -> None:
    content = BytesIO()
    image.save_as(content, enforce_file_format=True)
    status = session.take(content.getvalue(), str(image.SOPClassUID), str(image.SOPInstanceUID))
    if status is Status.OUT_OF_RESOURCES:
        raise SpoolRefused


def _value(answer: dict[str, Any], tag: str) -> str:
    """First value of an attribute in the DICOM JSON model (PS3.18 annex F)."""
    values = answer.get(tag, {}).get("Value") or [""]
    return str(values[0])
