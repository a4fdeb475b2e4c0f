# SPDX-License-Identifier: Apache-2.0
"""Pauses between attempts: doubled, bounded, random from nothing up."""

import random

import pytest

from vcf_client.retry import NO_RETRY, Retry, doubled


@pytest.mark.parametrize(("failed", "pause_s"), [(1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0), (5, 4.0), (10**9, 4.0)])
def test_a_pause_doubles_up_to_its_bound(failed: int, pause_s: float) -> None:
    assert doubled(0.5, 4.0, failed) == pause_s


def test_a_pause_is_any_part_of_the_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    retry = Retry(attempts=9, first_s=0.5, longest_s=4)
    for share in (0.0, 0.25, 1.0):
        monkeypatch.setattr(random, "uniform", lambda low, high, share=share: low + share * (high - low))
        assert [retry.pause_s(failed) for failed in (1, 3, 7)] == [0.5 * share, 2.0 * share, 4.0 * share]


def test_no_retry_is_one_attempt() -> None:
    assert NO_RETRY.attempts == 1


@pytest.mark.parametrize(
    ("first_s", "longest_s"), [(0, 1), (-1, 1), (2, 1), (1, float("inf")), (float("nan"), 1), (1, float("nan"))]
)
def test_pauses_that_make_no_sense(first_s: float, longest_s: float) -> None:
    with pytest.raises(ValueError, match="0 < first_s ≤ longest_s is accepted"):
        Retry(first_s=first_s, longest_s=longest_s)


@pytest.mark.parametrize("attempts", [0, -1])
def test_attempts_that_are_none(attempts: int) -> None:
    with pytest.raises(ValueError, match="it must be at least 1"):
        Retry(attempts=attempts)
