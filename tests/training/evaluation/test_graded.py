# SPDX-License-Identifier: Apache-2.0
from tests.training.evaluation.made import case, vertebra
from vcf_training.evaluation.graded import per_vertebra

BODIES = (vertebra("T12", 170.0, 2), vertebra("L1", 120.0, 0), vertebra("L4", 20.0, 3), vertebra("S1", -30.0, 0))
"""In the first, second and last of four boxes of 48 mm from 192 mm down, and below them all."""


def graded_case(score: float) -> dict[str, object]:
    one = case(0, score, 3, fractures=BODIES[0:3:2], vertebrae=BODIES)  # patch scores fall to half of the highest
    return per_vertebra([one], 0.45)


def test_a_hit_needs_a_box_over_the_centre_at_the_threshold() -> None:
    found = graded_case(0.8)
    rows = {row["level"]: row for row in found["vertebrae"]}  # type: ignore[attr-defined, union-attr]
    assert (rows["T12"]["score"], rows["T12"]["hit"], rows["T12"]["in_highest"]) == (0.8, True, True)
    assert (rows["L4"]["score"], rows["L4"]["hit"], rows["L4"]["in_highest"]) == (0.4, False, False)
    assert (rows["S1"]["score"], rows["S1"]["hit"]) == (None, False)
    assert found["hits"]["2"]["hit"] == 1  # type: ignore[index]
    assert found["hits"]["3"] == {"vertebrae": 1, "hit": 0, "in_highest": 0, "share": found["hits"]["3"]["share"]}  # type: ignore[index]
    assert found["hits"]["1"]["share"] is None  # type: ignore[index]
    assert found["false_boxes"] == 2, "of the two boxes between, at 0.67 and 0.53"


def test_nothing_is_hit_below_the_threshold() -> None:
    found = graded_case(0.4)
    assert not any(row["hit"] for row in found["vertebrae"])  # type: ignore[attr-defined, union-attr]
    assert found["false_boxes"] == 0
