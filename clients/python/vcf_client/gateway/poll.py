# SPDX-License-Identifier: Apache-2.0
"""Fetch studies from a DICOMweb service that does not send them: QIDO-RS to search, WADO-RS to fetch (PS3.18)."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from requests.exceptions import RequestException

from vcf_client.dicom.privacy import quiet
from vcf_client.gateway.backoff import Backoff
from vcf_client.gateway.config import Poll
from vcf_client.gateway.intake import Intake, Session, Status
from vcf_client.gateway.log import logger, place
from vcf_client.gateway.qido import Directory, Listing
from vcf_client.gateway.wado import BrokenAnswer, retrieve
from vcf_client.gateway.web import TIMEOUT_S, connect, open_session, why

_FAILURES_IN_A_ROW = 5
"""So many single images, or studies, are asked for in vain before the rest waits for the next attempt, or round."""
_REMEMBERED = 10_000
"""Studies whose fetched states are remembered, also while a service does not list them."""

Seen = tuple[tuple[str, int], ...]
"""Series of a study with their number of images, sorted."""


class SpoolRefused(Exception):
    """An image was not taken in, as the spool is full."""


@dataclass
class _Fetch:
    """A study of which images are to be fetched.

    seen
        What it was when it was found.
    promised
        Number of all its images; 0 if it is not known.
    """

    seen: Seen
    promised: int
    attempts: int = 0
    due_s: float = 0.0


class Poller:
    """Looks for studies round after round, and fetches them whole.

    A study is fetched when two rounds found the same number of images in it: it is complete as far as the service
    knows. What arrived is compared with what the service lists and counts; the rest is fetched again after a pause,
    and a study that stays short is refused as ``INCOMPLETE``. Results of the gateway are no CT, so they do not make a
    study look changed.
    """

    def __init__(self, poll: Poll, intake: Intake, backoff: Backoff, max_attempts: int) -> None:
        self._poll, self._intake, self._backoff, self._max_attempts = poll, intake, backoff, max_attempts
        self._directory, self._session = Directory(connect(poll)), open_session(poll)
        self._url = poll.dicomweb_url.rstrip("/")
        self._interrupted = dict.fromkeys(intake.interrupted_fetches(), 0)
        self._seen: dict[str, Seen] = dict.fromkeys(self._interrupted, ())
        self._promised: dict[str, int] = {}
        # A service that leaves out rows now and then shows the same states of a study again: each is tried once.
        self._done: dict[str, set[Seen]] = {}
        self._fetches: dict[str, _Fetch] = {}
        self._next_round_s = 0.0

    def work(self) -> bool:
        """Tell what is due: attempts at studies, or else a round; False if nothing was."""
        with quiet():
            now_s = time.monotonic()
            due = [study_uid for study_uid, fetch in self._fetches.items() if fetch.due_s <= now_s]
            for study_uid in due:
                self._attempt(study_uid, self._fetches[study_uid])
            if due or self._next_round_s > now_s:
                return bool(due)
            self._next_round_s = now_s + self._poll.every_s
            self.look()
            return True

    def look(self) -> None:
        """One round: find studies that have come to rest."""
        found, is_whole = self._find()
        # One that was found before and waits for its second look may be of yesterday by now.
        waiting = [study_uid for study_uid, series in self._seen.items() if series not in self._done.get(study_uid, ())]
        self._promised |= {study_uid: promised for study_uid, promised in found.items() if promised}
        seen: dict[str, Seen] = {}
        failures = 0
        for study_uid in dict.fromkeys([*waiting, *found]):
            series = self._series(study_uid) if failures < _FAILURES_IN_A_ROW else None
            if series is None:
                failures += 1
                series = self._seen.get(study_uid, ())
            else:
                failures = 0
                if series and self._seen.get(study_uid) == series and series not in self._done.get(study_uid, ()):
                    self._begin(study_uid, series)
            if series or self._may_come_back(study_uid):
                seen[study_uid] = series
        self._seen = seen if is_whole else {**self._seen, **seen}
        self._promised = {study_uid: count for study_uid, count in self._promised.items() if study_uid in self._seen}

    def _find(self) -> tuple[dict[str, int], bool]:
        """Studies with their number of images, and whether these are all that the service has to tell."""
        today = date.today().strftime("%Y%m%d")
        filters = {name: value.replace("{today}", today) for name, value in self._poll.filters.items()}
        found: dict[str, int] = {}
        try:
            for study_uid, promised in self._directory.studies(filters):
                found[study_uid] = promised  # noqa: PERF403 - what came before an error counts
        except Exception as error:  # it may answer anything
            logger.warning("studies could not be looked for: %s", _words(error))
            return found, False
        return found, True

    def _series(self, study_uid: str) -> Seen | None:
        """Tell what a study has now; None where the service fails at it."""
        try:
            return tuple(sorted(self._directory.counts(study_uid).items()))
        except Exception as error:
            logger.warning("a study could not be looked at: %s", _words(error))
            return None

    def _may_come_back(self, study_uid: str) -> bool:
        """Tell whether a study without series is one whose fetch was interrupted; it is short if it stays like that."""
        if study_uid not in self._interrupted:
            return False
        self._interrupted[study_uid] += 1
        if self._interrupted[study_uid] < self._max_attempts:
            return True
        del self._interrupted[study_uid]
        self._intake.end_fetch(study_uid, 1)
        logger.warning("a study of which a part was fetched is not there any more")
        return False

    def _begin(self, study_uid: str, series: Seen) -> None:
        self._interrupted.pop(study_uid, None)
        fetch = self._fetches.get(study_uid)
        if fetch is None or fetch.seen != series:
            self._fetches[study_uid] = _Fetch(series, self._promised.get(study_uid, 0))

    def _attempt(self, study_uid: str, fetch: _Fetch) -> None:
        """Fetch what is missing; then the study is at rest, or short, or due again."""
        missing, last = 1, fetch.attempts + 1 >= self._max_attempts
        try:
            listing = self._directory.listing(study_uid, fetch.promised, fetch.seen)
            missing = listing.unlisted + self._fetch(study_uid, listing, whole=not last)
            fetch.attempts += 1
        except SpoolRefused:
            last = False  # the study is not to blame
        except Exception as error:  # whatever a service may answer, the other studies are fetched
            fetch.attempts += 1
            logger.warning("a study could not be fetched: %s", _words(error))
        if missing and last and not self._intake.knows(study_uid):
            self._intake.begin_fetch(study_uid)  # none of it has come, and it is named all the same
        if (missing and not last) or not self._intake.end_fetch(study_uid, missing):
            fetch.due_s = time.monotonic() + self._backoff.delay_s(max(1, fetch.attempts))
            return
        if missing:
            logger.warning("a study stays short of %d images or more after %d attempts", missing, fetch.attempts)
        # Moved to the end: of more studies than are remembered the longest untouched are forgotten.
        self._done[study_uid] = self._done.pop(study_uid, set()) | {fetch.seen}
        while len(self._done) > _REMEMBERED:
            del self._done[next(iter(self._done))]
        del self._fetches[study_uid]

    def _fetch(self, study_uid: str, listing: Listing, *, whole: bool) -> int:
        """Take in what is not here yet; how many images are still missing."""
        lacking = self._intake.lacking(study_uid, frozenset().union(*listing.images.values()))
        if not lacking:
            return 0
        self._intake.begin_fetch(study_uid)
        others: set[str] = set()  # of a kind that is not kept
        for series_uid, images in listing.images.items():
            if wanted := images & lacking:
                url = f"{self._url}/studies/{study_uid}/series/{series_uid}"
                session = self._intake.session()

                def take(content: bytes, session: Session = session) -> None:
                    status, sop_uid = session.take_fetched(content, study_uid, whole=whole)
                    if status is Status.OUT_OF_RESOURCES:
                        raise SpoolRefused
                    if status is Status.CLASS_NOT_SUPPORTED:
                        others.add(sop_uid)

                try:
                    if len(wanted) > 1:
                        self._take_series(url, take)
                    rest = self._intake.lacking(study_uid, wanted) - others
                    self._take_one_by_one(url, sorted(rest), take)
                finally:
                    session.close()
        missing = self._intake.lacking(study_uid, lacking) - others
        logger.info("%d of %d images of a study are fetched", len(lacking) - len(missing), len(lacking))
        return len(missing)

    def _take_series(self, url: str, take: Callable[[bytes], None]) -> None:
        """A series in one answer, as far as it comes."""
        try:
            for content in retrieve(self._session, url, TIMEOUT_S):
                take(content)
        except (RequestException, BrokenAnswer) as error:
            logger.warning("a series came in part: %s", _words(error))

    def _take_one_by_one(self, url: str, images: list[str], take: Callable[[bytes], None]) -> None:
        """Tell what the answer for the whole series did not hold: services limit it."""
        failures = 0
        for sop_uid in images:
            try:
                for content in retrieve(self._session, f"{url}/instances/{sop_uid}", TIMEOUT_S):
                    take(content)
                failures = 0
            except (RequestException, BrokenAnswer):
                failures += 1
                if failures == _FAILURES_IN_A_ROW:
                    break


def _words(error: Exception) -> str:
    """Words for an error in the log: nothing of a study is in them."""
    if isinstance(error, RequestException):
        return why(error)
    return str(error) if isinstance(error, BrokenAnswer) else place(error)
