# SPDX-License-Identifier: Apache-2.0
"""Six patients in a CSV beside NIfTI files, from the reader to weights, through the command line."""

import json
import logging
from pathlib import Path

import nibabel
import numpy as np
import pytest

pytest.importorskip("tensorflow")

from tests.training.data import layouts
from vcf_cli import main
from vcf_training import store
from vcf_training.data.annotated import DataCode, DataError
from vcf_training.data.datasets import Options, detect, split_of, studies
from vcf_training.data.splits import PARTS, Split
from vcf_training.own_data import SPLIT_FILE, OwnData, held_out

PATIENTS = 6


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half of the patients with the phantom's fractures, half called sound; every image another by a few HU."""
    root = tmp_path_factory.mktemp("cohort")
    phantom = layouts.small_phantom()
    files = layouts.written(phantom, "LPI")
    nibabel.save(files.mask, root / "labels.nii.gz")
    lines = ["study,patient,vertebra,grade,labels"]
    for patient in range(PATIENTS):
        voxels = np.asarray(files.image.dataobj) + np.int16(patient)
        nibabel.save(nibabel.Nifti1Image(voxels, files.image.affine), root / f"{patient}.nii")
        lines += [
            f"{patient}.nii,name-{patient},{v.level},{v.grade if patient % 2 else 0},labels.nii.gz"
            for v in phantom.vertebrae
        ]
        lines.append(f"{patient}.nii,name-{patient},,{3 if patient % 2 else 0},")
    (root / "studies.csv").write_text("\n".join(lines) + "\n")
    return root


def test_each_part_has_both_outcomes(cohort: Path) -> None:
    assert detect(cohort) == "csv"
    split, found = split_of(studies(cohort, Options()), Options())
    chosen = [split.chosen(found, part) for part in PARTS]
    assert [[study.fractured for study in part].count(True) for part in chosen] == [1, 1, 1]
    assert sum(map(len, chosen)) == PATIENTS


def test_drawn_once_then_cached(cohort: Path, tmp_path: Path) -> None:
    own = OwnData.open([cohort], Options(split=tmp_path / SPLIT_FILE))
    first = own.members_learn("train", 2, tmp_path)
    assert sorted(set(first.study_label.tolist())) == [0, 1]
    again = OwnData.open([cohort], Options(split=tmp_path / SPLIT_FILE))
    seen: list[int] = []
    second = again.members_learn("train", 2, tmp_path, done=lambda done, total: seen.append(done))
    assert not seen
    np.testing.assert_array_equal(first.patches, second.patches)
    own_keys = {s.key for s in own.part("train")}
    assert {name.removeprefix("csv-").partition(".")[0] for name in first.name} == own_keys
    images = own.detector_learns("test")
    assert len(images) == 2 and all((i.boxes_mm[:, 2:] > 0).all() for i in images)


def test_a_part_without_both_outcomes_says_so(cohort: Path, tmp_path: Path) -> None:
    sound = [s for s in studies(cohort) if s.fractured is False]
    own = OwnData(tuple(sound), Split(0, {s.patient: "train" for s in sound}))
    with pytest.raises(DataError, match="only one kind") as caught:
        own.members_learn("train", 1, tmp_path)
    assert caught.value.code == DataCode.NO_GRADES


def test_weights_are_tested_on_what_they_have_not_seen(cohort: Path, tmp_path: Path) -> None:
    assert len(held_out(cohort, tmp_path)) == PATIENTS, "weights without a split have seen none of it"
    found = studies(cohort)
    parts = dict(zip([s.patient for s in found], ("train", "tune", "test", "train", "train"), strict=False))
    Split(0, parts).save(tmp_path / SPLIT_FILE)
    assert held_out(cohort, tmp_path) == [found[2], found[5]], "the test part, and who came later"


def test_broken_studies_are_listed_or_left_out(cohort: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    table = tmp_path / "studies.csv"
    lines = (cohort / "studies.csv").read_text().replace("2.nii,name-2,T10,0", "2.nii,name-2,T10,9")
    for path in cohort.glob("*.nii*"):
        (tmp_path / path.name).symlink_to(path)
    table.write_text(lines.replace("4.nii,name-4,T11,0", "4.nii,other,T11,0"))
    with pytest.raises(DataError, match="2 errors") as caught:
        studies(tmp_path)
    assert "name-" not in str(caught.value) and "other" not in str(caught.value)
    with caplog.at_level(logging.WARNING):
        assert len(studies(tmp_path, Options(leave_out_broken=True))) == PATIENTS - 2
    assert caplog.text.count("left out") == 2 and "name-" not in caplog.text


def test_what_reading_a_study_shows_is_listed_or_left_out_too(
    cohort: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A mask that lies elsewhere, and an image that is there twice."""
    for path in cohort.glob("*.nii*"):
        (tmp_path / path.name).symlink_to(path)
    mask = nibabel.load(cohort / "labels.nii.gz")
    moved = mask.affine.copy()
    moved[:3, 3] += 30.0
    nibabel.save(nibabel.Nifti1Image(np.asarray(mask.dataobj), moved), tmp_path / "moved.nii.gz")
    (tmp_path / "4.nii").unlink()
    (tmp_path / "4.nii").symlink_to(cohort / "5.nii")
    lines = (cohort / "studies.csv").read_text().splitlines()
    lines = [x.replace("labels.nii.gz", "moved.nii.gz") if x.startswith("2.nii") else x for x in lines]
    (tmp_path / "studies.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match="2 errors") as caught:
        OwnData.open([tmp_path])
    assert "GRID_MISMATCH" in str(caught.value) and "DUPLICATE_IMAGE" in str(caught.value)
    assert "name-" not in str(caught.value)
    with caplog.at_level(logging.WARNING):
        own = OwnData.open([tmp_path], Options(leave_out_broken=True))
    assert len(own.studies) == PATIENTS - 2
    assert caplog.text.count("left out") == 2 and "name-" not in caplog.text


@pytest.mark.slow
def test_members_train_on_own_data(
    cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VCF_CACHE", str(tmp_path / "cache"))
    command = ["train", "member", "--member", "a", "--preset", "tiny", "--data", str(cohort), "--out"]
    assert main([*command, str(tmp_path / "w")]) == 0
    assert "member a (own data, tuning part): tuning_auc" in capsys.readouterr().out
    manifest = store.read_manifest(tmp_path / "w")
    entry = manifest["members"]["a"]
    assert entry["own_data"]["formats"] == {"csv": PATIENTS}
    assert {p: c["patients"] for p, c in entry["own_data"]["split"]["parts"].items()} == dict.fromkeys(PARTS, 2)
    assert "synthetic" not in entry["figures"]
    kept = "".join(p.read_text() for p in (tmp_path / "w").glob("*.json"))
    assert "name-" not in kept and ".nii" not in kept, "no identifier and no path is kept"
    assert Split.load(tmp_path / "w" / SPLIT_FILE).seed == 0
    assert json.loads((tmp_path / "w" / SPLIT_FILE).read_text())["content"]
