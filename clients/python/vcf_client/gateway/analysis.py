# SPDX-License-Identifier: Apache-2.0
"""A ready study to its results in the spool, or to its refusal in the journal."""

from io import BytesIO
from pathlib import Path
from typing import Protocol

from pydicom.dataset import Dataset

from vcf_client import tracing
from vcf_client.dicom.secondary_capture import secondary_capture
from vcf_client.dicom.source import SourceSeries, read_source
from vcf_client.dicom.structured_report import refusal_report, structured_report
from vcf_client.findings import Findings
from vcf_client.gateway.backoff import Backoff
from vcf_client.gateway.journal import Claim, Journal, State
from vcf_client.gateway.key import Key
from vcf_client.gateway.log import logger, place
from vcf_client.gateway.spool import Spool
from vcf_client.reader import read_study
from vcf_client.study import Study
from vcf_contract.contract import Priority
from vcf_contract.errors import Code, ServerUnavailable, StudyRefused


class Analyzer(Protocol):
    """Tell what the gateway needs of ``clients.VcfClient``."""

    def is_ready(self) -> bool: ...

    def analyze(self, study: Study, *, priority: str | None = None) -> Findings: ...


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
        settle_s: float,
    ) -> None:
        self._spool, self._journal, self._key, self._analyzer = spool, journal, key, analyzer
        self._backoff, self._age_policy, self._max_attempts = backoff, age_policy, max_attempts
        self._report_refusals, self._settle_s = report_refusals, settle_s

    def work(self, claim: Claim) -> None:
        """Analyse a study and write down what became of it. No error of the study leaves this method."""
        with tracing.span("study", id=claim.name):
            self._work(claim)

    def _work(self, claim: Claim) -> None:
        if claim.attempts > self._max_attempts:  # it ended the process each time, or it would not be here
            self._give_up(claim, "ATTEMPTS")
            return
        try:
            if claim.missing:
                raise StudyRefused(Code.INCOMPLETE, f"{claim.missing} or more images of the study could not be had")
            findings, source = self._analyze(self._spool.study_folder(claim.name), claim.urgent)
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
            with tracing.span("report"):
                results = self._results(findings, source)
            for name in self._journal.has_results(claim, results, self._settle_s):
                self._spool.drop_result(name)
            logger.info("study %s is analysed: %s", claim.name, "positive" if findings.positive else "negative")

    def _analyze(self, folder: Path, urgent: bool) -> tuple[Findings, SourceSeries]:
        with tracing.span("read"):
            study = read_study(folder, age_policy=self._age_policy)
            source = read_source(folder, study.series_id)
        return self._analyzer.analyze(study, priority=Priority.URGENT if urgent else Priority.ROUTINE), source

    def _give_up(self, claim: Claim, code: str) -> None:
        logger.error("study %s is given up after %d attempts", claim.name, claim.attempts)
        self._journal.finish(claim, State.FAILED, code)

    def _refuse(self, claim: Claim, refusal: StudyRefused) -> None:
        reports = []
        if self._report_refusals and self._journal.is_current(claim):
            try:
                source = read_source(self._spool.study_folder(claim.name))
                reports = self._keep(refusal_report(refusal, source, self._key.uid_maker(source, refusal.code)))
            except (StudyRefused, ValueError) as error:  # not even an image to refer to
                logger.warning("study %s gets no report of its refusal: %s", claim.name, place(error))
        self._journal.finish(claim, State.REFUSED, refusal.code, reports, self._settle_s)

    def _results(self, findings: Findings, source: SourceSeries) -> list[str]:
        new_uid = self._key.uid_maker(source, findings.model.hash)
        return self._keep(structured_report(findings, source, new_uid), secondary_capture(findings, source, new_uid))

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
