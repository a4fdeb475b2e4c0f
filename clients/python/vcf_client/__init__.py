# SPDX-License-Identifier: Apache-2.0
"""The Python client: all that a caller needs has a name here, and is loaded when that name is first used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vcf_client.asynchronous import AsyncVcfClient
    from vcf_client.client import VcfClient
    from vcf_client.dicom.secondary_capture import secondary_capture
    from vcf_client.dicom.source import read_source
    from vcf_client.dicom.structured_report import structured_report
    from vcf_client.findings import Findings
    from vcf_client.many import Outcome
    from vcf_client.reader import read_study
    from vcf_client.report import write_report
    from vcf_client.retry import Retry
    from vcf_client.security import ApiKey, Security
    from vcf_client.study import Study

__all__ = [
    "ApiKey",
    "AsyncVcfClient",
    "Findings",
    "Outcome",
    "Retry",
    "Security",
    "Study",
    "VcfClient",
    "read_source",
    "read_study",
    "secondary_capture",
    "structured_report",
    "write_report",
]

_HOME = {
    "ApiKey": "security",
    "AsyncVcfClient": "asynchronous",
    "Findings": "findings",
    "Outcome": "many",
    "Retry": "retry",
    "Security": "security",
    "Study": "study",
    "VcfClient": "client",
    "read_source": "dicom.source",
    "read_study": "reader",
    "secondary_capture": "dicom.secondary_capture",
    "structured_report": "dicom.structured_report",
    "write_report": "report",
}
"""Module of each name: a program that sends volumes loads no DICOM library, one without reports no Jinja."""


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
