# SPDX-License-Identifier: Apache-2.0
"""The JSON form against its published schema, with jsonschema as the judge."""

import json
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from vcf_client import Findings
from vcf_client.findings import NOTICE, Midsagittal, ModelId, Patch, schema


def test_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(schema())


def test_findings_match_the_schema(findings: Findings) -> None:
    Draft202012Validator(schema()).validate(json.loads(findings.to_json()))


def test_negative_findings_match_the_schema(findings: Findings) -> None:
    negative = replace(findings, threshold=0.9)
    document = json.loads(negative.to_json())
    Draft202012Validator(schema()).validate(document)
    assert document["positive"] is False
    assert not any(patch["positive"] for patch in document["patches"])


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("study_score",), 1.5),
        (("patches",), []),
        (("patches", 0, "box_mm"), [[0, 0, 0]]),
        (("centre_line_mm", 0), [0, 0, 0, 0]),
        (("model", "hash"), "unknown"),
        (("flags",), ["LOSSY", "LOSSY"]),
        (("timings_ms", "read"), -1),
        (("notice",), ""),
        (("patient_name",), "DOE^JANE"),
    ],
)
def test_schema_rejects(findings: Findings, path: tuple[str | int, ...], value: Any) -> None:
    document: Any = deepcopy(findings.to_dict())
    at = document
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    with pytest.raises(ValidationError):
        Draft202012Validator(schema()).validate(document)


def test_text_is_the_dictionary_with_a_point_a_line(findings: Findings) -> None:
    text = findings.to_json()
    assert json.loads(text) == findings.to_dict()
    x, y, z = findings.to_dict()["centre_line_mm"][0]
    assert f"    [{x}, {y}, {z}],\n" in text


def test_sentences_that_look_like_lists_are_left_alone(findings: Findings) -> None:
    sentences = ("rows [\n 1,\n 2\n ]", "[1,  2]")
    assert json.loads(replace(findings, selection=sentences).to_json())["selection"] == list(sentences)


def test_score_equal_to_the_threshold_is_positive_in_the_document_too() -> None:
    """0.4 as float32 is 0.4000000059604645: digits may not turn a positive study into a contradiction."""
    patch = Patch(0.4, 0.4, 0.5, ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)))
    findings = Findings("k", 0.4, 0.4, (patch,), (), (), (), ModelId("vcf", "1", ("n",), "0" * 64), {}, _no_picture())
    document = json.loads(findings.to_json())
    assert document["positive"] == (document["study_score"] >= document["threshold"]) is True
    assert document["patches"][0]["positive"] is True


def test_notice_says_synthetic_and_not_for_clinical_use(findings: Findings) -> None:
    assert findings.to_dict()["notice"] == NOTICE
    assert "synthetic" in NOTICE and "not for clinical use" in NOTICE


def _no_picture() -> Midsagittal:
    import numpy as np

    empty = np.zeros((0, 6), np.float32)
    return Midsagittal(np.zeros((1, 1), np.int16), 0.0, 0.0, 1.0, 1.0, empty, empty[:, :3])
