# SPDX-License-Identifier: Apache-2.0
"""Tell what arrives, from whichever side, is on disk before it is answered; a study that has come to rest is made
ready."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from enum import IntEnum
from io import BytesIO
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import generate_fragmented_frames
from pydicom.pixels.utils import get_expected_length
from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    EnhancedPETImageStorage,
    LegacyConvertedEnhancedCTImageStorage,
    LegacyConvertedEnhancedPETImageStorage,
    PositronEmissionTomographyImageStorage,
)

from vcf_client.dicom.privacy import quiet
from vcf_client.gateway.journal import FINISHED, Journal, State
from vcf_client.gateway.key import Key
from vcf_client.gateway.log import logger, place
from vcf_client.gateway.spool import Spool, SpoolFull

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
    Of a study that went on after a rest, the next one is twice as long, up to ``quiet_after_abort_s``.
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
        urgent: Callable[[Path], bool] = lambda folder: False,
    ) -> None:
        self._spool, self._journal, self._key = spool, journal, key
        self._quiet_s, self._quiet_after_abort_s, self._drop_others = quiet_s, quiet_after_abort_s, drop_others
        self._is_urgent = urgent
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
        fetched = self._journal.fetches()
        for study in self._journal.studies(State.RECEIVING):
            if study not in here and study not in fetched:
                # Nothing of this round was answered with success, so nothing is lost.
                self._journal.close_round(study, (), len(self._journal.images(study)))

    def session(self) -> "Session":
        """Open a session for one association, or one fetch: the studies in it are not ready before it is closed."""
        return Session(self)

    def make_ready(self) -> int:
        """Close the round of every study that has come to rest; how many these are."""
        closed = 0
        for study in self._journal.studies(State.RECEIVING):
            with self._lock:
                if study in self._journal.fetches():
                    continue
                now_s = time.monotonic()
                rest_at_s = self._rest_at_s.setdefault(study, now_s + self._quiet_after_abort_s)  # none: a crash
                if self._open[study] or now_s < rest_at_s:
                    continue
                images = self._spool.images(study)
                gone = len(self._journal.images(study) - images)
                urgent = self._is_urgent(self._spool.study_folder(study))
                self._journal.close_round(study, images, gone, urgent=urgent)
                del self._rest_at_s[study], self._open[study]
            if gone:
                logger.warning("study %s goes on, but %d images of it are not kept any more", study, gone)
            else:
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

    def lacking(self, study_uid: str, sop_uids: Iterable[str]) -> set[str]:
        """Tell which images of a study are to be fetched.

        None if all were taken in at some time. Otherwise all that are not on disk, as the study is analysed as a whole.
        """
        study = self._key.name("study", study_uid)
        images = {sop_uid: self._key.name("image", sop_uid) for sop_uid in sop_uids}
        here = self._spool.images(study)
        if study not in self._journal.fetches() and set(images.values()) <= self._journal.images(study) | here:
            return set()
        return {sop_uid for sop_uid, image in images.items() if image not in here}

    def knows(self, study_uid: str) -> bool:
        """Tell whether anything of a study was ever taken in."""
        return self._journal.state(self._key.name("study", study_uid)) is not None

    def begin_fetch(self, study_uid: str) -> None:
        """Hold a study open until `end_fetch`, over crashes, too: some of it is to be fetched."""
        study = self._key.name("study", study_uid)
        with self._lock:
            self._drop_results(self._journal.begin_fetch(study))

    def end_fetch(self, study_uid: str, missing: int = 0) -> bool:
        """Let a study come to rest; with ``missing`` images that could not be fetched it is refused.

        False where it cannot be refused now, as somebody else sends images of it.
        """
        return self._end_fetch(self._key.name("study", study_uid), missing)

    def give_up_fetches(self) -> None:
        """End what was begun by a gateway that fetched studies; this one does not."""
        for study in self._journal.fetches():
            self._end_fetch(study, 1)

    def interrupted_fetches(self) -> list[str]:
        """Study instance UIDs of the fetches that were under way when the gateway was stopped.

        Those of which nothing had come are cancelled: they will be found again.
        """
        found = []
        for study in self._journal.fetches():
            image = next(iter(self._spool.study_folder(study).glob("*.dcm")), None)
            if image is None:
                self._journal.cancel_fetch(study)
            else:
                with quiet():
                    found.append(str(_header(image.read_bytes()).StudyInstanceUID))
        return found

    def _end_fetch(self, study: str, missing: int) -> bool:
        with self._lock:
            if missing:
                if self._open[study]:
                    return False
                urgent = self._is_urgent(self._spool.study_folder(study))
                self._journal.close_round(study, self._spool.images(study), missing, urgent=urgent)
                self._rest_at_s.pop(study, None)
            self._journal.end_fetch(study)
            return True

    def _drop_results(self, results: Iterable[str]) -> None:
        """Remove results that more of their study has made void."""
        for result in results:
            self._spool.drop_result(result)
            logger.info("a result is not sent: more of its study has come")

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
            self._drop_results(self._journal.receive(study))
            return Status.SUCCESS

    def _leave(self, studies: set[str], complete: bool) -> None:
        with self._lock:
            for study in studies:
                self._open[study] -= 1
                self._rest_at_s[study] = time.monotonic() + self._rest_s(study, complete)
                if not self._open[study] and self._journal.state(study) is not State.RECEIVING:
                    del self._rest_at_s[study], self._open[study]  # all of it was known already

    def _rest_s(self, study: str, complete: bool) -> float:
        if not complete:
            return self._quiet_after_abort_s
        grown_s = self._quiet_s * 2.0 ** min(max(self._journal.round_of(study) - 1, 0), 30)
        return min(grown_s, max(self._quiet_s, self._quiet_after_abort_s))


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

    def take_fetched(self, content: bytes, study_uid: str, *, whole: bool) -> tuple[Status, str]:
        """Store an image that was asked for; also its SOP instance UID, empty if it was not understood.

        Parameters
        ----------
        study_uid
            Of the study that was asked for; an image of another one is a mismatch.
        whole
            Whether an image that lacks some of its pixels is not understood.
        """
        with quiet():
            try:
                header = _header(content)
                sop_class, sop_uid = str(header.SOPClassUID), str(header.SOPInstanceUID)
                if header.StudyInstanceUID != study_uid:
                    logger.warning("an object is of another study than the one that was asked for")
                    return Status.MISMATCH, ""
                if sop_class not in ACCEPTED_CLASSES:
                    return Status.CLASS_NOT_SUPPORTED, sop_uid
                if whole and not _is_whole(content):
                    logger.warning("an image was cut off")
                    return Status.CANNOT_UNDERSTAND, ""
            except Exception as error:  # hostile bytes can make pydicom raise anything
                logger.warning("an object was not understood: %s", place(error))
                return Status.CANNOT_UNDERSTAND, ""
            return self._intake._take(self, content, sop_class, sop_uid), sop_uid

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


def _is_whole(content: bytes) -> bool:
    """Tell whether all pixels are there, as far as that can be seen without decoding them."""
    image = dcmread(BytesIO(content))
    if "PixelData" not in image:
        return False
    if image.file_meta.TransferSyntaxUID.is_compressed:
        frames = generate_fragmented_frames(image.PixelData, number_of_frames=int(image.get("NumberOfFrames") or 1))
        return all(sum(map(len, frame)) for frame in frames)
    return len(image.PixelData) >= get_expected_length(image)
