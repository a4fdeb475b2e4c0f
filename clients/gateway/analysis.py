# SPDX-License-Identifier: Apache-2.0
"""A ready study to its results in the spool, or to its refusal in the journal."""

import hashlib
from io import BytesIO
from pathlib import Path
from typing import Protocol

from pydicom.dataset import Dataset

from clients.dicom.secondary_capture import secondary_capture
from clients.dicom.source import SourceSeries, read_source
from clients.dicom.structured_report import structured_report
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
    ) -> None:
        self._spool, self._journal, self._key, self._analyzer = spool, journal, key, analyzer
        self._backoff, self._age_policy, self._max_attempts = backoff, age_policy, max_attempts

    def work(self, claim: Claim) -> None:
        """Analyse a study and write down what became of it. No error of the study leaves this method."""
        if claim.attempts > self._max_attempts:  # it ended the process each time, or it would not be here
            self._give_up(claim, "ATTEMPTS")
            return
        try:
            findings, source = self._analyze(self._spool.study_folder(claim.name))
        except StudyRefused as refusal:
            logger.info("study %s is refused: %s", claim.name, refusal.code)
            self._journal.finish(claim, State.REFUSED, refusal.code)
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
            for name in self._journal.has_results(claim, self._keep(findings, source)):
                self._spool.drop_result(name)
            logger.info("study %s is analysed: %s", claim.name, "positive" if findings.positive else "negative")

    def _analyze(self, folder: Path) -> tuple[Findings, SourceSeries]:
        study = read_study(folder, age_policy=self._age_policy)
        source = read_source(folder, study.series_id)
        return self._analyzer.analyze(study), source

    def _give_up(self, claim: Claim, code: str) -> None:
        logger.error("study %s is given up after %d attempts", claim.name, claim.attempts)
        self._journal.finish(claim, State.FAILED, code)

    def _keep(self, findings: Findings, source: SourceSeries) -> list[str]:
        """Write the results to the spool; the same images under the same weights give the same names and UIDs."""
        images = hashlib.sha256("\0".join(sorted(uid for _, uid in source.instances)).encode()).hexdigest()

        def new_uid(role: str) -> str:
            if role.endswith("-series"):
                return self._key.uid(role, source.series_uid, findings.model.hash)
            return self._key.uid(role, source.series_uid, findings.model.hash, images)

        names = []
        for result in (structured_report(findings, source, new_uid), secondary_capture(findings, source, new_uid)):
            names.append(self._key.name("result", result.SOPInstanceUID))
            self._spool.put_result(names[-1], _file(result))
        return names


def _file(dataset: Dataset) -> bytes:
    stream = BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()
