# SPDX-License-Identifier: Apache-2.0
import pytest

pytest.importorskip("ray")
from vcf_client.gateway.backoff import Backoff
from vcf_screening.failures import Failure
from vcf_screening.waiting import Attempt, Waiting

BUSY, GONE = Failure("OVERLOADED", "full"), Failure("SERVER_UNAVAILABLE", "gone", unreachable=True)


def attempt(study: str, attempts: int = 1) -> Attempt:
    return Attempt(study, None, attempts)  # type: ignore[arg-type]


def test_studies_are_given_out_when_their_pause_is_over() -> None:
    """Pauses of 1, 2 and 4 s, by a fifth more or less."""
    waiting = Waiting(Backoff(1.0, 60.0))
    for name, attempts in (("slow", 3), ("quick", 1), ("middle", 2)):
        waiting.put(attempt(name, attempts), now_s=100.0)
    assert list(waiting.due(100.5)) == [] and len(waiting) == 3
    left_s = waiting.next_s(100.0)
    assert left_s is not None and 0.8 <= left_s <= 1.2
    assert [one.study for one in waiting.due(101.3)] == ["quick"]
    assert [one.study for one in waiting.due(110.0)] == ["middle", "slow"]
    assert waiting.next_s(110.0) is None and len(waiting) == 0


def test_what_is_due_is_due_at_once() -> None:
    waiting = Waiting(Backoff(1.0, 60.0))
    waiting.put(attempt("a"), 0.0)
    assert waiting.next_s(50.0) == 0.0


@pytest.mark.parametrize(
    ("failure", "answered", "counted"), [(BUSY, 5, 1), (GONE, 5, 0), (GONE, 6, 1)], ids=["busy", "all gone", "it alone"]
)
def test_attempts_in_vain_while_nothing_is_reached_do_not_count(failure: Failure, answered: int, counted: int) -> None:
    one = Attempt("a", None, answered_before=5)  # type: ignore[arg-type]
    one.failed(failure, answered)
    assert one.counted == counted
