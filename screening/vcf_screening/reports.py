# SPDX-License-Identifier: Apache-2.0
"""Structured reports to a DICOMweb service by STOW-RS: sent again, the same report has the same UIDs."""

from io import BytesIO

from requests.exceptions import RequestException

from vcf_client.dicom.source import SourceSeries
from vcf_client.dicom.structured_report import structured_report
from vcf_client.findings import Findings
from vcf_client.gateway.key import Key
from vcf_client.gateway.requestor import NO_ANSWER, NOT_REACHED
from vcf_client.gateway.stow import objection, store
from vcf_client.gateway.web import TIMEOUT_S, open_session, why
from vcf_screening.failures import Failure, PassingError
from vcf_screening.web_studies import Access


def send(findings: Findings, source: SourceSeries, key: Key, url: str, access: Access) -> None:
    """Send the report of a study; PassingError if the service does not take it."""
    report = structured_report(findings, source, key.uid_maker(source, findings.model.hash))
    content = BytesIO()
    report.save_as(content, enforce_file_format=True)
    try:
        with open_session(access.poll(url)) as session:
            answer = store(session, url, content.getvalue(), TIMEOUT_S)
    except RequestException as error:
        words = why(error)
        raise PassingError(Failure("REPORT", words, unreachable=words in (NOT_REACHED, NO_ANSWER))) from None
    if problem := objection(answer, str(report.SOPInstanceUID)):
        raise PassingError(Failure("REPORT", f"the report was not taken: {problem}"))
