# SPDX-License-Identifier: Apache-2.0
import json

import numpy as np
import pytest

from tests.training.evaluation.made import case, mixed, refused
from vcf_training.evaluation.figures import PAPER_TABLE_1, figures
from vcf_training.metrics import rates, roc_auc

POINTS = {"served": {"threshold": 0.45, "rule": "by hand"}}


def test_keys_and_values_of_the_json_by_hand() -> None:
    """Scores 0.2, 0.5 without and 0.4, 0.9 with a fracture: 3 of 4 pairs in order; one refusal in five."""
    cases = [case(0, 0.2), case(1, 0.5), case(2, 0.4, 1), case(3, 0.9, 3), refused(4, grade=2)]
    found = figures(cases, POINTS)
    assert found["study_auc"] == 3 / 4
    assert found["study_auc_interval"][0] < 0.75 <= found["study_auc_interval"][1]
    assert (found["sensitivity"], found["specificity"]) == (0.5, 0.5)
    assert found["not_processed"] == 1 / 5
    assert found["refusals"] == {"SPINE_NOT_FOUND": 1}
    assert found["auc_grade_1"] is None  # a single study of grade 1 has no interval
    assert found["height_baseline_auc"] == 1.0
    assert found["height_baseline_method"] == "labels"
    point = found["operating_points"][0]
    assert point["sensitivity_with_refused_as_missed"]["value"] == pytest.approx(1 / 3)
    json.dumps(found, allow_nan=False)


def test_subsets_set_each_grade_against_all_sound_studies() -> None:
    cases = mixed(60)
    found = figures(cases, POINTS)
    grade = np.array([c.grade for c in cases])
    score = np.array([c.score for c in cases])
    assert found["study_auc"] == pytest.approx(roc_auc(grade > 0, score))
    assert found["auc_grade_2_3"] == pytest.approx(roc_auc(grade[grade != 1] > 0, score[grade != 1]))
    assert found["auc_grade_1"] == pytest.approx(roc_auc(grade[grade <= 1] > 0, score[grade <= 1]))
    assert (found["sensitivity"], found["specificity"]) == rates(grade > 0, score, 0.45)


def test_a_fracture_of_unknown_grade_counts_as_any_fracture_only() -> None:
    cases = [*mixed(20), case(90, 0.9, 2, grade=None)]
    point = figures(cases, POINTS)["operating_points"][0]["subsets"]
    assert point["any fracture"]["fractured"] == 11
    assert point["grade 2 and 3"]["fractured"] + point["grade 1 alone"]["fractured"] == 10


def test_studies_without_an_answer_are_counted_and_left_out() -> None:
    with_unknown = figures([*mixed(20), case(90, 0.9, fractured=None, grade=None)], POINTS)
    without = figures(mixed(20), POINTS)
    assert with_unknown["without_label"] == 1
    assert with_unknown["study_auc"] == without["study_auc"]
    assert with_unknown["specificity"] == without["specificity"]


def test_one_class_alone_has_no_area_but_a_specificity() -> None:
    found = figures([case(0, 0.1), case(1, 0.2), case(2, 0.6)], POINTS)
    assert found["study_auc"] is None
    assert found["sensitivity"] is None
    assert found["specificity"] == pytest.approx(2 / 3)
    assert found["froc"] is None
    assert found["predictive_values"] == []


def test_subgroups_share_out_the_studies() -> None:
    found = figures(mixed(40), POINTS)["subgroups"]
    for trait in ("slice spacing", "noise", "contrast"):
        assert sum(row["studies"] for row in found if row["trait"] == trait) == 40


def test_every_operating_point_is_reported_and_the_first_is_the_served_one() -> None:
    points = POINTS | {"youden": {"threshold": 0.3, "rule": "largest sum of both rates"}}
    found = figures(mixed(40), points)
    assert [p["name"] for p in found["operating_points"]] == ["served", "youden"]
    assert found["threshold"] == 0.45
    looser = found["operating_points"][1]["subsets"]["any fracture"]
    assert looser["sensitivity"]["value"] >= found["sensitivity"]


def test_the_papers_table_is_its_own() -> None:
    ours = PAPER_TABLE_1[-1]
    assert ours[1:5] == (0.955, 0.822, 0.951, 2489)
    assert len(PAPER_TABLE_1) == 5
