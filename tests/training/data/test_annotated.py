# SPDX-License-Identifier: Apache-2.0
"""What is known of a study before a voxel is read, and hashes that name nobody."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from vcf_training.data.annotated import (
    GRADABLE,
    LEVELS,
    AnnotatedStudy,
    DataCode,
    DataError,
    Grade,
    content_digest,
    hashed,
)


def study(grades: Mapping[str, int | None], **known: Any) -> AnnotatedStudy:
    def read() -> Any:
        raise AssertionError("a voxel was read")

    return AnnotatedStudy("k", "p", "test", {level: Grade(grade) for level, grade in grades.items()}, read, **known)


@pytest.mark.parametrize(
    ("grades", "known", "grade"),
    [
        ({"T12": 0, "L1": 2, "L2": 3}, {}, 3),
        ({"T12": 0, "L1": None, "L2": 1}, {}, 1),
        ({"T12": 0, "L1": 0}, {}, 0),
        ({"T12": 0, "L1": None}, {}, None),
        ({"T12": 0, "L1": 0}, {"complete": False}, None),
        ({"T12": 2}, {"complete": False}, 2),
        ({}, {}, None),
        ({}, {"study_grade": 0}, 0),
        ({"T12": None}, {"study_grade": 2, "complete": False}, 2),
    ],
)
def test_a_study_is_sound_only_if_every_vertebra_is_known_to_be(
    grades: dict[str, int | None], known: dict[str, Any], grade: int | None
) -> None:
    found = study(grades, **known)
    assert found.grade == grade
    assert found.fractured is (None if grade is None else grade > 0)


@pytest.mark.parametrize(("grade", "shape"), [(4, None), (-1, None), (1, "flat")])
def test_grades_that_are_none(grade: int, shape: str | None) -> None:
    with pytest.raises(ValueError, match="accepted are"):
        Grade(grade, shape)


def test_levels_run_from_head_to_feet_and_cervical_ones_carry_no_grade() -> None:
    numbers = {level: number for number, level in LEVELS.items()}
    assert (numbers["C1"], numbers["T1"], numbers["T12"], numbers["L1"], numbers["L6"]) == (1, 8, 19, 20, 25)
    assert not [level for level in GRADABLE if level.startswith("C")] and set(GRADABLE) <= set(numbers)


def test_a_hash_depends_on_the_secret_and_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VCF_HASH_KEY", raising=False)
    plain = hashed("patient-17")
    monkeypatch.setenv("VCF_HASH_KEY", "secret")
    keyed = hashed("patient-17")
    assert plain != keyed == hashed("patient-17") != hashed("patient-18")
    assert all(re.fullmatch("[0-9a-f]{16}", one) and one != "17" for one in (plain, keyed))
    assert keyed not in hashlib.sha256(b"patient-17").hexdigest()


def test_the_same_voxels_are_the_same_image_however_they_lie_in_memory() -> None:
    hu = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    assert content_digest(hu) == content_digest(np.asfortranarray(hu)) == content_digest(hu[::1])
    assert len({content_digest(hu), content_digest(hu.reshape(3, 2, 4)), content_digest(hu + 1)}) == 3


def test_an_error_has_a_code_and_its_sentence() -> None:
    error = DataError(DataCode.BAD_MASK, "study 3: the mask is empty")
    assert str(error) == "BAD_MASK: study 3: the mask is empty" and error.code == DataCode.BAD_MASK
