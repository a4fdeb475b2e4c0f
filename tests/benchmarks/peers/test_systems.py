# SPDX-License-Identifier: Apache-2.0
import pytest

from vcf_benchmarks.peers.systems import Answer


@pytest.mark.parametrize(
    ("scores", "study_score", "agrees"),
    [
        ([0.5, 0.1], 0.5, True),
        ([0.5, 0.1005], 0.5, True),
        ([0.5, 0.2], 0.5, False),
        ([0.5], 0.5, False),
        ([0.5, 0.1], 0.6, False),
    ],
)
def test_answers_agree_within_the_order_of_additions(scores: list[float], study_score: float, agrees: bool) -> None:
    assert Answer(0.5, [0.5, 0.1]).agrees(Answer(study_score, scores)) is agrees
