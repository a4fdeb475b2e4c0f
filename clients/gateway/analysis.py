# SPDX-License-Identifier: Apache-2.0
"""A ready study to its results in the spool, or to its refusal in the journal."""

from io import BytesIO
from pathlib import Path
from typing import Protocol

from pydicom.dataset import Dataset

from clients.dicom.result import UidMaker
from clients.dicom.secondary_capture import secondary_capture
from clients.dicom.source import SourceSeries, read_source
from clients.dicom.structured_report import refusal_report, structured_report
from clients.findings import Findings
from clients.gateway.backoff import Backoff
from clients.gateway.journal import Claim, Journal, State
from clients.gateway.key import Key
from clients.gateway.log import logger, place
from clients.gateway.spool import Spool
from clients.reader import read_study
from clients.study import Study
from vcf.errors import ServerUnavailable, StudyRefused


class Analyzer(Protocol):
    """What the gateway needs of ``clients.VcfClient``."""

    def is_ready(self) -> bool: ...

    def analyze(self, study: Study) -> Findings: ...


class Analysis:
    """Works on one study at a time; several may share a spool and a journal."""

    def __init__(
        self,
        spool: Spool,
        journal: Journal,
        key: Key,
        analyzer: Analyzer,
        backoff: Backoff,
        *,
        age_policy: str,
        max_attempts: int,
        report_refusals: bool,
    ) -> None:
        self._spool, self._journal, self._key, self._analyzer = spool, journal, key, analyzer
        self._backoff, self._age_policy, self._max_attempts = backoff, age_policy, max_attempts
        self._report_refusals = report_refusals

    def work(self, claim: Claim) -> None:
        """Analyse a study and write down what became of it. No error of the study leaves this method."""
        if claim.attempts > self._max_attempts:  # it ended the process each time, or it would not be here
            self._give_up(claim, "ATTEMPTS")
            return
        try:
            findings, source = self._analyze(self._spool.study_folder(claim.name))
        except StudyRefused as refusal:
            logger.info("study %s is refused: %s", claim.name, refusal.code)
            self._refuse(claim, refusal)
        except ServerUnavailable:
            logger.warning("study %s waits for the server", claim.name)
            self._journal.postpone(claim, self._backoff.delay_s(1), count=False)
        except Exception as error:
            logger.error("study %s failed: %s", claim.name, place(error))
            if claim.attempts >= self._max_attempts:
                self._give_up(claim, type(error).__name__)
            else:
                self._journal.postpone(claim, self._backoff.delay_s(claim.attempts), count=True)
        else:
            if not self._journal.is_current(claim):
                logger.info("study %s has grown meanwhile", claim.name)
                return
            for name in self._journal.has_results(claim, self._results(findings, source)):
                self._spool.drop_result(name)
            logger.info("study %s is analysed: %s", claim.name, "positive" if findings.positive else "negative")

    def _analyze(self, folder: Path) -> tuple[Findings, SourceSeries]:
        study = read_study(folder, age_policy=self._age_policy)
        source = read_source(folder, study.series_id)
        return self._analyzer.analyze(study), source

    def _give_up(self, claim: Claim, code: str) -> None:
        logger.error("study %s is given up after %d attempts", claim.name, claim.attempts)
        self._journal.finish(claim, State.FAILED, code)

    def _refuse(self, claim: Claim, refusal: StudyRefused) -> None:
        reports = []
        if self._report_refusals and self._journal.is_current(claim):
            try:
                source = read_source(self._spool.study_folder(claim.name))
                reports = self._keep(refusal_report(refusal, source, self._uids(source, refusal.code)))
            except (StudyRefused, ValueError) as error:  # not even an image to refer to
                logger.warning("study %s gets no report of its refusal: %s", claim.name, place(error))
        self._journal.finish(claim, State.REFUSED, refusal.code, reports)

    def _results(self, findings: Findings, source: SourceSeries) -> list[str]:
        new_uid = self._uids(source, findings.model.hash)
        return self._keep(structured_report(findings, source, new_uid), secondary_capture(findings, source, new_uid))

    def _uids(self, source: SourceSeries, reason: str) -> UidMaker:
        """The same images for the same reason, such as a model, always give the same UIDs; the series does not even
        depend on the images."""
        images = sorted(uid for _, uid in source.instances)

        def new_uid(role: str) -> str:
            return self._key.uid(role, source.series_uid, reason, *([] if role.endswith("-series") else images))

        return new_uid

    def _keep(self, *results: Dataset) -> list[str]:
        """Write results to the spool; their names."""
        names = [self._key.name("result", result.SOPInstanceUID) for result in results]
        for name, result in zip(names, results, strict=True):
            self._spool.put_result(name, _file(result))
        return names


def _file(dataset: Dataset) -> bytes:
    stream = BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()
