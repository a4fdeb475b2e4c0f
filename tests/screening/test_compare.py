# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from vcf_contract.errors import UsageError
from vcf_screening import compare, rows
from vcf_screening.dataset import STUDIES, Dataset

OLD, NEW = "a" * 64, "b" * 64


def row(number: int, weights: str, score: float | None) -> rows.Row:
    study = f"{number:032x}"
    if score is None:
        return rows.answered_without_score(study, rows.REFUSED, weights, "SPINE_NOT_FOUND", "no spine")
    found = rows.answered_without_score(study, rows.ANALYSED, weights, "", "")
    return {**found, "code": None, "score": score, "threshold": 0.5, "positive": score >= 0.5}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    old = [0.1, 0.6, 0.7, 0.2, None, 0.9]
    new = [0.2, 0.4, 0.8, 0.9, 0.3, None]
    with Dataset(tmp_path / STUDIES) as dataset:
        dataset.add(row(number, OLD, score) for number, score in enumerate([*old, 0.1]))
        dataset.flush()
        dataset.add(
            {**row(number, NEW, score), "screened_at": "2099-01-01T00:00:00+00:00"} for number, score in enumerate(new)
        )
    return tmp_path


def test_who_changed_sides(folder: Path) -> None:
    found = compare.compare(folder, *compare.chosen(folder, None, None))
    assert (found.old, found.new) == (OLD, NEW)
    assert found.table == {
        ("negative", "negative"): 1,
        ("positive", "negative"): 1,
        ("positive", "positive"): 1,
        ("negative", "positive"): 1,
        ("SPINE_NOT_FOUND", "negative"): 1,
        ("positive", "SPINE_NOT_FOUND"): 1,
    }
    assert {int(each["study"], 16) for each in found.changed} == {1, 3, 4, 5}
    assert (found.only_old, found.only_new) == (1, 0)
    assert found.mean_change == pytest.approx((0.1 - 0.2 + 0.1 + 0.7) / 4)
    assert found.mean_absolute_change == pytest.approx((0.1 + 0.2 + 0.1 + 0.7) / 4)


def test_weights_by_the_beginning_of_their_hash(folder: Path) -> None:
    assert compare.chosen(folder, "b", "aaa") == (NEW, OLD)
    with pytest.raises(UsageError, match="--old is 'c', the beginning of 0 hashes"):
        compare.chosen(folder, "c", None)


def test_one_weights_alone_cannot_be_compared(tmp_path: Path) -> None:
    with Dataset(tmp_path / STUDIES) as dataset:
        dataset.add([row(1, OLD, 0.1)])
    with pytest.raises(UsageError, match="rows of 1 weights"):
        compare.chosen(tmp_path, None, None)
