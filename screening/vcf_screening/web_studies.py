# SPDX-License-Identifier: Apache-2.0
"""Studies of a DICOMweb service: listed by QIDO-RS, fetched whole by WADO-RS (DICOM PS3.18), both as the gateway does.

What comes is compared with what the service lists and counts. A study of which images are missing is not analysed.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO

from pydicom import dcmread
from requests import Session
from requests.exceptions import RequestException

from vcf_client.dicom.privacy import quiet
from vcf_client.gateway.config import Poll
from vcf_client.gateway.qido import Directory
from vcf_client.gateway.requestor import NO_ANSWER, NOT_REACHED
from vcf_client.gateway.wado import BrokenAnswer, retrieve
from vcf_client.gateway.web import TIMEOUT_S, connect, open_session, why
from vcf_contract.errors import Code, SetupError, StudyRefused
from vcf_screening.failures import Failure, PassingError
from vcf_screening.manifest import Entry
from vcf_screening.throttle import Leave, Waited

SCHEMES = ("http://", "https://")
DEFAULT_FILTERS = {"ModalitiesInStudy": "CT"}
_STUDIES = "/studies/"
_FAILURES_IN_A_ROW = 5
_GONE = (404, 410)


@dataclass(frozen=True)
class Access:
    """Tell how a service is asked; files are read anew for each request."""

    token_file: str = ""
    ca_file: str = ""

    def poll(self, url: str, filters: Mapping[str, str] = DEFAULT_FILTERS) -> Poll:
        """Give them in the gateway's form."""
        return Poll(url.rstrip("/"), token_file=self.token_file, ca_file=self.ca_file, filters=dict(filters))


OPEN = Access()


def entries(url: str, filters: Mapping[str, str], access: Access, leave: Leave) -> Iterator[Entry]:
    """All studies that a service finds, page by page, with the number of images that it counts.

    Raises
    ------
    SetupError
        If it does not answer a search.
    """
    poll = access.poll(url, filters)
    session = open_session(poll)
    Waited(session, leave)
    try:
        for uid, images in Directory(connect(poll, session)).studies(poll.filters):
            yield Entry(uid, f"{poll.dicomweb_url}{_STUDIES}{uid}", images)
    except RequestException as error:
        raise SetupError(f"the studies of the DICOMweb service could not be listed: {why(error)}") from None


@dataclass(frozen=True)
class Fetched:
    """DICOM files in memory, and how long they took; ``throttle_s`` of it went by without a request."""

    files: list[bytes]
    seconds: float
    throttle_s: float


def fetch(entry: Entry, access: Access, leave: Leave) -> Fetched:
    """All images of a study that may be of use.

    Raises
    ------
    PassingError
        If the service cannot be reached, fails, or gives fewer images than it lists or counts.
    StudyRefused
        ``NO_IMAGES`` or ``NOT_CT`` if it has none of use.
    """
    url, _, uid = entry.location.rpartition(_STUDIES)
    poll = access.poll(url)
    session = open_session(poll)
    waited = Waited(session, leave)
    started_s = time.monotonic()
    with session, quiet():
        try:
            files = _fetch(session, Directory(connect(poll, session)), f"{poll.dicomweb_url}{_STUDIES}{uid}", entry)
        except RequestException as error:
            if error.response is not None and error.response.status_code in _GONE:
                raise PassingError(_nothing()) from None
            words = why(error)
            raise PassingError(Failure("ARCHIVE", words, unreachable=words in (NOT_REACHED, NO_ANSWER))) from None
        except BrokenAnswer as error:
            raise PassingError(Failure("ARCHIVE", str(error))) from None
    return Fetched(files, time.monotonic() - started_s, waited.seconds)


def _nothing() -> Failure:
    return Failure(Code.NO_IMAGES, "the archive lists no image of the study any more", is_refusal=True)


def _fetch(session: Session, directory: Directory, url: str, entry: Entry) -> list[bytes]:
    uid = url.rpartition("/")[2]
    listing = directory.listing(uid, entry.images, ())
    if listing.unlisted:
        raise PassingError(_incomplete(listing.unlisted))
    wanted = {series: images for series, images in listing.images.items() if images}
    if not wanted:
        if not directory.series(uid):
            raise PassingError(_nothing())
        raise StudyRefused(Code.NOT_CT, "the archive lists no CT image of the study; a CT series is accepted")
    files: list[bytes] = []
    missing = 0
    for series, images in wanted.items():
        found = _series(session, f"{url}/series/{series}", images)
        missing += len(images) - len(found)
        files += found.values()
    if missing:
        raise PassingError(_incomplete(missing))
    return files


def _incomplete(missing: int) -> Failure:
    return Failure(Code.INCOMPLETE, f"{missing} or more images of the study could not be had", is_refusal=True)


def _series(session: Session, url: str, images: frozenset[str]) -> dict[str, bytes]:
    """Images of a series by SOP instance UID: in one answer as far as it comes, the rest one by one."""
    found: dict[str, bytes] = {}

    def take(address: str) -> None:
        for content in retrieve(session, address, TIMEOUT_S):
            if (uid := _sop_uid(content)) in images:
                found[uid] = content

    broken: Exception | None = None
    try:
        take(url)
    except (RequestException, BrokenAnswer) as error:
        broken = error
    failures = 0
    for uid in sorted(images - found.keys()):
        try:
            take(f"{url}/instances/{uid}")
            failures = 0
        except (RequestException, BrokenAnswer) as error:
            broken, failures = error, failures + 1
            if failures == _FAILURES_IN_A_ROW:
                break
    if broken is not None and not found:
        raise broken
    return found


def _sop_uid(content: bytes) -> str:
    try:
        header = dcmread(BytesIO(content), force=True, stop_before_pixels=True, specific_tags=["SOPInstanceUID"])
    except Exception:  # a damaged file can make pydicom raise anything; it is then not the one that was asked for
        return ""
    return str(header.get("SOPInstanceUID", "")).strip(" \0")
