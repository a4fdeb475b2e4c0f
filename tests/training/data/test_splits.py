# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vcf_preprocess.geometry import Volume
from vcf_training.data.annotated import AnnotatedStudy, DataCode, DataError, Grade, Scan, content_digest, hashed
from vcf_training.data.splits import PARTS, Split, checked, draw


def study(patient: int, scan: int = 0, grade: int | None = 0, *, seed: int | None = None) -> AnnotatedStudy:
    """A study whose voxels are its own, or those of ``seed``."""
    own = 1000 * patient + scan if seed is None else seed

    def read() -> Scan:
        hu = np.random.default_rng(own).integers(-100, 100, (4, 4, 4)).astype(np.int16)
        return Scan(Volume(hu, (1.0, 1.0, 1.0), np.eye(4)), ())

    return AnnotatedStudy(hashed(f"{patient}-{scan}"), hashed(str(patient)), "csv", {"L1": Grade(grade)}, read)


def cohort() -> list[AnnotatedStudy]:
    """200 patients, a fifth fractured, every tenth with a second study, 10 of unknown outcome."""
    found = [study(i, 0, None if i % 20 == 3 else 2 if i % 5 == 0 else 0) for i in range(200)]
    return found + [study(i, 1, 0) for i in range(0, 200, 10)]


def test_shares_by_patient_and_outcome() -> None:
    studies = cohort()
    counts = draw(studies).counts(studies)
    assert sum(c["studies"] for c in counts.values()) == len(studies)
    assert [counts[p]["patients"] for p in PARTS] == pytest.approx([160, 20, 20], abs=2)
    for part, share in zip(PARTS, (0.8, 0.1, 0.1), strict=True):
        assert counts[part]["fractured"] == pytest.approx(40 * share, abs=1)
        assert counts[part]["unknown"] == pytest.approx(10 * share, abs=1)


def test_all_studies_of_a_patient_are_in_one_part() -> None:
    studies = cohort()
    split = draw(studies)
    own = [{s.patient for s in split.chosen(studies, part)} for part in PARTS]
    assert not own[0] & own[1] and not own[0] & own[2] and not own[1] & own[2]


def test_order_does_not_matter_and_the_seed_does() -> None:
    studies = cohort()
    assert draw(studies).patients == draw(studies[::-1]).patients
    assert draw(studies, 1).patients != draw(studies, 0).patients


def test_three_patients_of_an_outcome_reach_all_parts() -> None:
    studies = [study(i, grade=2) for i in range(3)] + [study(i) for i in range(3, 9)]
    counts = draw(studies).counts(studies)
    assert all(counts[part]["fractured"] == 1 for part in PARTS)


def test_new_patients_join_and_nobody_moves() -> None:
    studies = cohort()
    before = draw(studies[:100])
    after = draw(studies, 99, before)
    assert after.patients.items() >= before.patients.items()
    assert after.seed == before.seed
    assert after.counts(studies)["test"]["patients"] == pytest.approx(20, abs=3)


def test_saved_and_read(tmp_path: Path) -> None:
    studies = [study(i) for i in range(10)]
    split, _ = checked(draw(studies), studies)
    split.save(tmp_path / "new" / "split.json")
    assert Split.load(tmp_path / "new" / "split.json") == split
    text = (tmp_path / "new" / "split.json").read_text()
    assert all(s.patient in text for s in studies)


def test_a_file_under_another_secret_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw([study(1)]).save(tmp_path / "split.json")
    monkeypatch.setenv("VCF_HASH_KEY", "another")
    with pytest.raises(DataError, match="another VCF_HASH_KEY"):
        Split.load(tmp_path / "split.json")


def test_a_patient_in_two_parts_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    split = draw([study(i) for i in range(9)])
    split.save(path)
    train = next(k for k, p in split.patients.items() if p == "train")
    path.write_text(path.read_text().replace('"test": [', f'"test": ["{train}",'))
    with pytest.raises(DataError, match="train and test") as caught:
        Split.load(path)
    assert caught.value.code == DataCode.PATIENT_IN_TWO_PARTS


@pytest.mark.parametrize("text", ["", "[]", '{"seed": 0}'])
def test_a_file_that_is_no_split(tmp_path: Path, text: str) -> None:
    (tmp_path / "split.json").write_text(text)
    with pytest.raises(DataError) as caught:
        Split.load(tmp_path / "split.json")
    assert caught.value.code == DataCode.SPLIT_MISMATCH


@pytest.mark.parametrize(
    ("other", "whose"), [(study(1, 5, seed=1000), "one patient"), (study(7, seed=1000), "two patients")]
)
def test_the_same_image_under_two_ids_is_a_leak(other: AnnotatedStudy, whose: str) -> None:
    studies = [study(1), study(2), other]
    with pytest.raises(DataError, match=f"studies 1 .* and 3 .* of {whose}") as caught:
        checked(draw(studies), studies)
    assert caught.value.code == DataCode.DUPLICATE_IMAGE
    assert studies[0].patient not in str(caught.value)


def test_one_id_for_two_studies() -> None:
    studies = [study(1), replace(study(2), key=study(1).key)]
    with pytest.raises(DataError) as caught:
        checked(draw(studies), studies)
    assert caught.value.code == DataCode.DUPLICATE_STUDY


def test_all_errors_are_reported_and_what_is_right_is_kept() -> None:
    """An error that reading a study shows, one of its id and one of its voxels; the first of two alike is kept."""

    def broken() -> Scan:
        raise DataError(DataCode.GRID_MISMATCH, "study 2: another place")

    studies = [study(1), replace(study(2), read=broken), replace(study(3), key=study(1).key), study(7, seed=1000)]
    studies.append(study(4))
    assert content_digest(studies[3].load().volume.hu) == content_digest(studies[0].load().volume.hu)
    reported: list[DataError] = []
    split, kept = checked(draw(studies), studies, report=reported.append)
    assert [error.code for error in reported] == [
        DataCode.GRID_MISMATCH,
        DataCode.DUPLICATE_STUDY,
        DataCode.DUPLICATE_IMAGE,
    ]
    assert kept == [studies[0], studies[4]]
    assert set(split.content) == {s.key for s in kept}


def test_known_content_is_not_read_again() -> None:
    def fail() -> Scan:
        raise AssertionError("read again")

    studies = [study(i) for i in range(3)]
    split, _ = checked(draw(studies), studies)
    assert checked(split, [replace(s, read=fail) for s in studies])[0] == split


def test_a_study_of_no_part() -> None:
    with pytest.raises(DataError) as caught:
        draw([study(1)]).part(study(2))
    assert caught.value.code == DataCode.SPLIT_MISMATCH
