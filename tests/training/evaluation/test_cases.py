# SPDX-License-Identifier: Apache-2.0
"""A case as it stands in the JSON, and whether it can be counted."""

import json

import numpy as np
import pytest

from tests.training.evaluation.made import case, refused


def test_the_json_holds_what_is_published_and_no_picture() -> None:
    document = case(3, 0.87654321, 2).to_dict()
    assert json.loads(json.dumps(document)).keys() == document.keys()
    assert document["fractures"] == {"T12": 2} and document["fractured"] is True
    assert document["patch_scores"] == np.round(np.linspace(0.87654321, 0.87654321 / 2, 4), 4).tolist()
    assert not {"picture", "explanation", "boxes_mm", "group"} & document.keys()


def test_a_remark_stands_there_only_if_there_is_one() -> None:
    assert "remark" not in case(1, 0.5).to_dict()
    assert case(1, 0.5, remark="cut off").to_dict()["remark"] == "cut off"


@pytest.mark.parametrize(
    ("changes", "usable"),
    [({}, True), ({"fractured": None}, False), ({"score": None}, False), ({"score": 0.0}, True)],
)
def test_score_and_truth_are_both_needed(changes: dict[str, object], usable: bool) -> None:
    assert case(1, 0.5, **changes).usable is usable


def test_a_refused_study_counts_nowhere() -> None:
    one = refused(1)
    assert not one.usable and one.to_dict()["refused"] == "SPINE_NOT_FOUND" and one.to_dict()["score"] is None
