# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import pytest

from tests.training.evaluation.made import case
from vcf_training.evaluation.cases import Changed
from vcf_training.evaluation.robustness import of_changes, worst


def changed(kind: str, score: float | None, less: float, kept: bool = False) -> Changed:
    return Changed(
        kind, "so", score, None if score is not None else "SPINE_NOT_FOUND", less, case(9, 0.5) if kept else None
    )


CASES = [
    replace(case(0, 0.2), changed=(changed("trimmed", 0.25, 0.2), changed("tilt", 0.5, 0.2, kept=True))),
    replace(case(1, 0.6), changed=(changed("trimmed", 0.3, 0.6, kept=True), changed("tilt", None, 0.6))),
    case(2, 0.9),
]


def test_sizes_and_flips_are_counted_for_all_for_a_kind_and_for_a_study() -> None:
    found = of_changes(CASES, 0.45)
    assert found["studies"] == 2, "a study that was not changed is none of them"
    every = found["all"]
    assert (every["changes"], every["refused"]) == (4, 1)
    assert every["largest"] == pytest.approx(0.3)
    assert every["median"] == pytest.approx(0.3)  # of 0.05, 0.3, 0.3
    assert every["small"] == pytest.approx(1 / 3)
    assert every["flipped"] == pytest.approx(3 / 4), "two cross the threshold, and one is refused"
    by_kind = {row["kind"]: row for row in found["kinds"]}
    assert by_kind["trimmed"]["flipped"] == 0.5
    assert by_kind["noise"]["changes"] == 0
    assert by_kind["noise"]["largest"] is None
    assert [row["worst"]["kind"] for row in found["by_study"]] == ["tilt", "trimmed"]


def test_cuts_that_take_the_highest_box_away_are_told_apart() -> None:
    gone = replace(changed("trimmed", 0.05, 0.9), shown=False)
    cases = [replace(case(0, 0.9), changed=(gone, changed("trimmed", 0.88, 0.9)))]
    found = of_changes(cases, 0.5)
    assert (found["all"]["changes"], found["shown"]["changes"]) == (2, 1)
    assert found["all"]["flipped"] == 0.5 and found["shown"]["flipped"] == 0.0
    assert found["shown"]["largest"] == pytest.approx(0.02)


def test_the_largest_changes_come_first() -> None:
    assert [(a.name, one.kind) for a, one in worst(CASES)] == [("study-0", "tilt"), ("study-1", "trimmed")]
    assert len(worst(CASES, 1)) == 1
