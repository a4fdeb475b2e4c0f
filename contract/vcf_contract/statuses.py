# SPDX-License-Identifier: Apache-2.0
"""Tell what a server's error means, as a table that all clients read: gRPC's status, words of its text, what may be
done.

Neither KServe v2 nor Triton has a place for a code of one's own: an error is a status of gRPC (or HTTP) and a text. So
refusals follow one grammar (`vcf_contract.errors.REFUSAL`), and the rest is told by the rules here, of which the first
that fits holds. The words are Triton's own.
"""

import re
from dataclasses import dataclass

from vcf_contract import errors
from vcf_contract.contract import MEMBER_MODELS

NEVER, ELSEWHERE, AGAIN = "never", "elsewhere", "again"
"""Whether a request may be sent anew: not at all; to another server, this one will say the same; to any, this one too
after a pause. An analysis changes nothing on a server, so it may be sent again though the first may have begun."""


@dataclass(frozen=True)
class Rule:
    """One row. Empty ``statuses`` fit any status, an empty ``words`` any text.

    words
        Regular expression, searched in the text without regard to case.
    error
        Code of the error that a client raises.
    """

    statuses: tuple[str, ...]
    words: str
    error: str
    retry: str
    meaning: str

    def fits(self, status: str, text: str) -> bool:
        """Tell whether the rule is about an error of this status and text."""
        named = not self.statuses or status in self.statuses
        return named and bool(re.search(self.words, text, re.IGNORECASE))


RULES = (
    Rule((), f"{errors.DeadlineExceeded.CODE}: ", errors.DeadlineExceeded.code, NEVER, "a step ended the work in time"),
    Rule((), "request timeout expired", errors.DeadlineExceeded.code, NEVER, "it waited in a queue for too long"),
    Rule(("DEADLINE_EXCEEDED",), "", errors.DeadlineExceeded.code, NEVER, "no answer in time"),
    Rule((), rf"\b{errors.Overloaded.CODE}: ", errors.Overloaded.code, AGAIN, "the server takes no more studies now"),
    Rule(("RESOURCE_EXHAUSTED",), "larger than max", errors.ServerFailed.code, NEVER, "a message beyond a limit"),
    Rule(("RESOURCE_EXHAUSTED",), "", errors.Overloaded.code, AGAIN, "there is no room for another study now"),
    Rule((), "exceeds maximum queue size", errors.Overloaded.code, AGAIN, "there is no room for another study now"),
    Rule((), "protocol is restricted", errors.AccessDenied.code, ELSEWHERE, "an API key is asked for"),
    Rule(
        ("UNAUTHENTICATED", "PERMISSION_DENIED"),
        "",
        errors.AccessDenied.code,
        ELSEWHERE,
        "what stands before the server does not let the request pass",
    ),
    Rule((), MEMBER_MODELS.pattern, errors.ServerUnavailable.code, ELSEWHERE, "its model repository is of old"),
    Rule(("CANCELLED",), "channel closed|locally cancelled", errors.ServerFailed.code, NEVER, "the client ended it"),
    Rule(("UNAVAILABLE", "CANCELLED"), "", errors.ServerUnavailable.code, AGAIN, "no connection, or it broke"),
    Rule(
        (),
        "not ready|no available version|is (stopping|exiting|unloading)|shutting down|unknown model|model .*not found",
        errors.ServerUnavailable.code,
        AGAIN,
        "the server starts, stops or unloads its models",
    ),
    Rule((), "stream removed|rst_stream|goaway", errors.ServerUnavailable.code, AGAIN, "the connection broke"),
    Rule(
        (),
        "stub process.*is not healthy",
        errors.ServerFailed.code,
        ELSEWHERE,
        "a process of a Python model was killed; the server's other models work",
    ),
    Rule((), "", errors.ServerFailed.code, NEVER, "the server failed, or does not know what was asked"),
)
"""In this order, after the grammar of refusals."""


def rule(status: str, text: str) -> Rule:
    """The first rule that fits; the last one always does."""
    return next(rule for rule in RULES if rule.fits(status, text))
