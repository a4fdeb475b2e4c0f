# SPDX-License-Identifier: Apache-2.0
import math
from dataclasses import replace

import pytest

from tests.benchmarks.harness.made_up import findings
from vcf_benchmarks.harness.answers import BOX_WITHIN_MM, SAME_WITHIN, Check, Reference, difference, references
from vcf_client.findings import ModelId


def test_answers_further_off_than_allowed_are_counted() -> None:
    check = Check([0.1, 0.9])
    check.scores([0.1, 0.9])
    check.scores([0.1, 0.9 + SAME_WITHIN / 2])
    assert (check.answers, check.mistaken) == (2, 0)
    check.scores([0.1 - 2 * SAME_WITHIN, 0.9])
    check.scores([0.1])
    assert (check.answers, check.mistaken) == (4, 2)
    assert math.isinf(check.largest)


def test_rows_of_other_lengths_differ_without_bound() -> None:
    assert difference([0.1], [0.1, 0.2]) == math.inf
    assert difference([], []) == 0.0
    assert difference([0.1, 0.5], [0.2, 0.45]) == pytest.approx(0.1)


def test_each_way_to_be_wrong_is_said() -> None:
    right = Reference(findings(1))
    assert right.mistake(findings(1)) is None
    assert right.mistake(findings(2)) == "the answer is to another study"
    assert "score is off" in (right.mistake(replace(findings(2), series_id="s1")) or "")
    assert right.mistake(replace(findings(1), model=ModelId("vcf", "1", (), "ff"))) == "other weights answered"
    assert right.mistake(replace(findings(1), patches=findings(1).patches[:2])) == "2 patches, not 3"
    first, *others = findings(1).patches
    (x, y, z), end = first.box_mm
    moved = replace(first, box_mm=((x + 2 * BOX_WITHIN_MM, y, z), end))
    assert "box is off by 0.1 mm" in (right.mistake(replace(findings(1), patches=(moved, *others))) or "")


def test_studies_with_the_same_answer_are_refused() -> None:
    twin = replace(findings(1), series_id="s2")
    with pytest.raises(ValueError, match="same answer"):
        references([findings(1), twin])
    assert len(references([findings(1), findings(2)])) == 2
