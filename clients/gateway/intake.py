# SPDX-License-Identifier: Apache-2.0
"""What arrives, from whichever side, is on disk before it is answered; a study that has come to rest is made ready."""

import threading
import time
from collections import Counter
from enum import IntEnum
from io import BytesIO

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    EnhancedPETImageStorage,
    LegacyConvertedEnhancedCTImageStorage,
    LegacyConvertedEnhancedPETImageStorage,
    PositronEmissionTomographyImageStorage,
)

from clients.dicom.privacy import quiet
from clients.gateway.journal import FINISHED, Journal, State
from clients.gateway.key import Key
from clients.gateway.log import logger, place
from clients.gateway.spool import Spool, SpoolFull

ACCEPTED_CLASSES = (
    CTImageStorage,
    EnhancedCTImageStorage,
    LegacyConvertedEnhancedCTImageStorage,
    PositronEmissionTomographyImageStorage,
    EnhancedPETImageStorage,
    LegacyConvertedEnhancedPETImageStorage,
)
"""CT, and PET because a CT that belongs to one is to be refused."""


class Status(IntEnum):
    """Answers to C-STORE (DICOM PS3.4 table B.2-1, PS3.7 section 9.1.1.1.9)."""

    SUCCESS = 0x0000
    CLASS_NOT_SUPPORTED = 0x0122
    NOT_AUTHORISED = 0x0124
    OUT_OF_RESOURCES = 0xA700
    MISMATCH = 0xA900
    CANNOT_UNDERSTAND = 0xC000


class Intake:
    """Takes images in, by any number of threads.

    A study is at rest when no session with it is open and nothing of it came for ``quiet_s``; for
    ``quiet_after_abort_s`` where the last session was cut off, by the sender or by a crash, as its rest will follow.
    """

    def __init__(
        self,
        spool: Spool,
        journal: Journal,
        key: Key,
        *,
        quiet_s: float,
        quiet_after_abort_s: float,
        drop_others: bool,
    ) -> None:
        self._spool, self._journal, self._key = spool, journal, key
        self._quiet_s, self._quiet_after_abort_s, self._drop_others = quiet_s, quiet_after_abort_s, drop_others
        self._lock = threading.Lock()
        self._open: Counter[str] = Counter()
        self._rest_at_s: dict[str, float] = {}

    def restore(self) -> None:
        """Once after a start: make the journal agree with the files, as a crash may have come between the two."""
        here = self._spool.studies()
        for study in here:
            images = self._spool.images(study)
            if images and not all(self._journal.has_image(study, image) for image in images):
                self._journal.receive(study)
        for study in self._journal.studies(State.RECEIVING):
            if study not in here:
                self._journal.close_round(study, ())  # nothing was answered with success, so nothing is lost

    def session(self) -> "Session":
        """For one association, or one fetch: the studies in it are not ready before it is closed."""
        return Session(self)

    def make_ready(self) -> int:
        """Close the round of every study that has come to rest; how many these are."""
        closed = 0
        for study in self._journal.studies(State.RECEIVING):
            with self._lock:
                now_s = time.monotonic()
                rest_at_s = self._rest_at_s.setdefault(study, now_s + self._quiet_after_abort_s)  # none: a crash
                if self._open[study] or now_s < rest_at_s:
                    continue
                images = self._spool.images(study)
                self._journal.close_round(study, images)
                del self._rest_at_s[study], self._open[study]
            logger.info("study %s is complete with %d images", study, len(images))
            closed += 1
        return closed

    def make_room(self) -> bool:
        """Remove the images of the study that was finished longest ago; False if there is none."""
        return any(self._drop(study) for study in self._journal.studies(*FINISHED))

    def drop_finished(self, before: float) -> None:
        """Remove the images of all studies that were finished before a time."""
        for study in self._journal.studies(*FINISHED, before=before):
            self._drop(study)

    def _drop(self, study: str) -> bool:
        """Remove the images of a finished study, but not while more of it comes."""
        if not self._spool.study_folder(study).is_dir():
            return False
        with self._lock:
            if self._open[study] or self._journal.state(study) not in FINISHED:
                return False
            self._spool.drop_study(study)
            return True

    def has(self, study_uid: str, sop_uid: str) -> bool:
        """Whether the image was taken in before."""
        study, image = self._key.name("study", study_uid), self._key.name("image", sop_uid)
        return self._journal.has_image(study, image) or image in self._spool.images(study)

    def _take(self, session: "Session", content: bytes, sop_class: str, sop_uid: str) -> Status:
        try:
            header = _header(content)
        except Exception as error:  # hostile bytes can make pydicom raise anything
            logger.warning("an object was not understood: %s", place(error))
            return Status.CANNOT_UNDERSTAND
        uids = [
            str(header.get(k, "")) for k in ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
        ]
        if not all(uids):
            logger.warning("an object was not understood: it lacks a UID")
            return Status.CANNOT_UNDERSTAND
        if (sop_class, sop_uid) != (uids[0], uids[1]):
            logger.warning("an object does not match its announcement")
            return Status.MISMATCH
        if sop_class not in ACCEPTED_CLASSES:
            return Status.SUCCESS if self._drop_others else Status.CLASS_NOT_SUPPORTED
        study, image = self._key.name("study", uids[2]), self._key.name("image", sop_uid)
        with self._lock:
            session.enter(study, self._open)
        if self._journal.state(study) is not State.RECEIVING and self._journal.has_image(study, image):
            return Status.SUCCESS
        return self._store(study, image, content)

    def _store(self, study: str, image: str, content: bytes) -> Status:
        while True:
            try:
                self._spool.put_image(study, image, content)
            except SpoolFull:
                if self.make_room():
                    continue
                logger.error("the spool is full")
                return Status.OUT_OF_RESOURCES
            except OSError as error:
                logger.error("the spool cannot be written: %s", place(error))
                return Status.OUT_OF_RESOURCES
            self._journal.receive(study)
            return Status.SUCCESS

    def _leave(self, studies: set[str], complete: bool) -> None:
        rest_at_s = time.monotonic() + (self._quiet_s if complete else self._quiet_after_abort_s)
        with self._lock:
            for study in studies:
                self._open[study] -= 1
                self._rest_at_s[study] = rest_at_s
                if not self._open[study] and self._journal.state(study) is not State.RECEIVING:
                    del self._rest_at_s[study], self._open[study]  # all of it was known already


class Session:
    """Images that come together; close it when no more will."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._studies: set[str] = set()

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close(complete=kind is None)

    def take(self, content: bytes, sop_class: str, sop_uid: str) -> Status:
        """Store an image.

        Parameters
        ----------
        content
            A DICOM file.
        sop_class, sop_uid
            As announced, to be compared with what the file says.
        """
        with quiet():
            return self._intake._take(self, content, sop_class, sop_uid)

    def enter(self, study: str, open_studies: Counter[str]) -> None:
        """Hold a study back until this session is closed; the intake calls this."""
        if study not in self._studies:
            self._studies.add(study)
            open_studies[study] += 1

    def close(self, *, complete: bool = True) -> None:
        """Let the studies of the session come to rest; ``complete`` is False where the sender had more to send."""
        studies, self._studies = self._studies, set()
        self._intake._leave(studies, complete)


def _header(content: bytes) -> Dataset:
    tags = ["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"]
    return dcmread(BytesIO(content), specific_tags=tags, stop_before_pixels=True)
