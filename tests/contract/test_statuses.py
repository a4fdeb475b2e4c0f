# SPDX-License-Identifier: Apache-2.0
"""Texts of Triton and gRPC by the rules; `tests/clients/test_conformance.py` has every client meet them."""

import pytest

from vcf_contract import errors
from vcf_contract.statuses import AGAIN, ELSEWHERE, NEVER, RULES, rule


@pytest.mark.parametrize(
    ("status", "text", "error", "retry"),
    [
        ("UNAVAILABLE", "Exceeds maximum queue size", errors.Overloaded.code, AGAIN),
        ("RESOURCE_EXHAUSTED", "Received message larger than max (5 vs. 4)", errors.ServerFailed.code, NEVER),
        ("UNAVAILABLE", "This protocol is restricted, expecting header 'x'", errors.AccessDenied.code, ELSEWHERE),
        ("UNAVAILABLE", "Request timeout expired", errors.DeadlineExceeded.code, NEVER),
        ("CANCELLED", "DEADLINE_EXCEEDED: no time left", errors.DeadlineExceeded.code, NEVER),
        ("CANCELLED", "Locally cancelled by application!", errors.ServerFailed.code, NEVER),
        ("CANCELLED", "RST_STREAM", errors.ServerUnavailable.code, AGAIN),
        ("NOT_FOUND", "Request for unknown model: 'vcf' is not found", errors.ServerUnavailable.code, AGAIN),
        ("UNAVAILABLE", str(errors.Overloaded.full(8, 1.5)), errors.Overloaded.code, AGAIN),
        ("INTERNAL", "MemoryError at x", errors.ServerFailed.code, NEVER),
    ],
)
def test_texts(status: str, text: str, error: str, retry: str) -> None:
    found = rule(status, text)
    assert (found.error, found.retry) == (error, retry)


def test_the_last_rule_fits_all() -> None:
    assert RULES[-1].fits("", "") and RULES[-1].fits("INTERNAL", "any")
    assert len(set(RULES)) == len(RULES)
