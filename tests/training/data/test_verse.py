# SPDX-License-Identifier: Apache-2.0
"""VerSe layouts written by nibabel from a phantom of known truth, and the real fractured spine of the shared data."""

import json
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest

from tests.training.data import layouts
from vcf_training.data.annotated import AnnotatedStudy, DataCode, DataError, Scan
from vcf_training.data.verse import find_files, read_verse
from vcf_training.phantom import Phantom

VOXEL_MM = 2.0


def assert_truth(scan: Scan, phantom: Phantom, *, tolerance_mm: float = 2 * VOXEL_MM) -> None:
    """Voxels, grades and places are those of the phantom, whatever the file's axes were."""
    np.testing.assert_array_equal(scan.volume.hu, phantom.volume.hu)
    truth = layouts.by_level(phantom.vertebrae)
    assert [v.level for v in scan.vertebrae] == [v.level for v in phantom.vertebrae]
    for v in scan.vertebrae:
        known = truth[v.level]
        assert (v.verdict.grade, v.verdict.shape) == (known.grade, known.shape)
        assert np.abs(np.subtract(v.centre_mm, known.centre_mm)).max() < tolerance_mm
        assert abs(v.z_mm[0] - known.z0_mm) < tolerance_mm
        assert abs(v.z_mm[1] - known.z1_mm) < tolerance_mm


def graded(root: Path, phantom: Phantom, scan: str = "4", name: str = "grades.csv") -> None:
    layouts.write_table(root / name, layouts.supplement({scan: layouts.true_grades(phantom)}))


@pytest.mark.parametrize(
    ("axes", "direction"),
    [("RAS", "RAS"), ("LPS", "LPS"), ("PIR", "PIR"), ("PSR", "PIR"), ("LAI", "PIR"), ("SAL", "ASL"), ("IPR", "LPS")],
)
def test_bids_layout_in_any_axes(tmp_path: Path, phantom: Phantom, axes: str, direction: str) -> None:
    files = layouts.written(phantom, axes)
    layouts.write_bids(tmp_path, "sub-verse004", files, layouts.centroids(files, direction))
    graded(tmp_path, phantom)
    (study,) = read_verse(tmp_path)
    assert study.grade == 3
    assert_truth(study.load(), phantom)


@pytest.mark.parametrize("axes", ["RAS", "PIR", "LPI"])
@pytest.mark.parametrize(
    ("name", "suffix", "direction", "millimetres"),
    [
        ("verse004", "_ctd", None, True),
        ("verse004_CT-sag", "_iso-ctd", None, True),
        ("verse004_CT_ax", "-iso-ctd", "ASR", True),
        ("verse004", "_ctd", "RAS", False),
    ],
)
def test_flat_layouts_of_the_challenges(
    tmp_path: Path, phantom: Phantom, axes: str, name: str, suffix: str, direction: str | None, millimetres: bool
) -> None:
    files = layouts.written(phantom, axes)
    entries = layouts.centroids(files, direction, millimetres=millimetres)
    layouts.write_flat(tmp_path, name, files, entries, suffix)
    graded(tmp_path, phantom, name="supplement.xlsx")
    (study,) = read_verse(tmp_path)
    assert_truth(study.load(), phantom)


def test_centroids_alone_give_places(tmp_path: Path, phantom: Phantom) -> None:
    files = layouts.written(phantom, "LPS")
    layouts.write_bids(tmp_path, "sub-verse004", files, layouts.centroids(files, "PIR"))
    next(tmp_path.rglob("*_msk.nii.gz")).unlink()
    (study,) = read_verse(tmp_path)
    scan = study.load()
    assert scan.labels is None and scan.canal_mm is None
    assert all(v.heights_mm is None for v in scan.vertebrae)
    truth = layouts.by_level(phantom.vertebrae)
    for v in scan.vertebrae:
        assert np.abs(np.subtract(v.centre_mm, truth[v.level].centre_mm)).max() < 2 * VOXEL_MM


def test_patients_are_those_of_the_supplement_or_of_the_names(tmp_path: Path, phantom: Phantom) -> None:
    files = layouts.written(phantom)
    entries = layouts.centroids(files, "RAS")
    layouts.write_bids(tmp_path / "a", "sub-verse004", files, entries)
    layouts.write_bids(tmp_path / "a", "sub-verse400_split-verse090_dir-iso", files, entries)
    layouts.write_flat(tmp_path / "b", "verse014", files, entries)
    layouts.write_flat(tmp_path / "b", "verse400_verse155_CT-iso", files, entries)
    rows = {"4": layouts.true_grades(phantom), "14": layouts.true_grades(phantom)}
    layouts.write_table(tmp_path / "grades.csv", layouts.supplement(rows, {"14": "4"}))
    found = {f.scan: s for f, s in zip(find_files(tmp_path), read_verse(tmp_path), strict=True)}
    assert set(found) == {"verse004", "verse090", "verse014", "verse155"}
    assert found["verse014"].patient == found["verse004"].patient  # the table says so; the names do not
    assert found["verse090"].patient == found["verse155"].patient != found["verse004"].patient
    assert len({s.key for s in found.values()}) == 4
    text = repr(list(found.values()))
    assert "verse004" not in text and "verse400" not in text


def test_what_is_not_graded_is_unknown_and_not_sound(tmp_path: Path, phantom: Phantom) -> None:
    files = layouts.written(phantom)
    for name in ("sub-verse004", "sub-verse005", "sub-verse006", "sub-verse007"):
        layouts.write_bids(tmp_path, name, files, layouts.centroids(files, "RAS"))
    sound = {v.level: (0, None) for v in phantom.vertebrae}
    gap = {level: value for level, value in sound.items() if level != "L1"}
    rows = {"4": sound, "5": gap, "6": sound | {"L1": ("x", None)}}
    layouts.write_table(tmp_path / "grades.csv", layouts.supplement(rows))
    grades = [s.grade for s in read_verse(tmp_path)]
    assert grades == [0, None, None, None]


def one_study(root: Path, phantom: Phantom, levels: list[str] | None = None) -> None:
    files = layouts.written(phantom)
    layouts.write_bids(root, "sub-verse004", files, layouts.centroids(files, "RAS", levels))


def code_of(root: Path, *, load: bool = False) -> DataError:
    with pytest.raises(DataError) as caught:
        (study,) = read_verse(root)
        if load:
            study.load()
    text = str(caught.value)
    assert "verse004" not in text and str(root) not in text, "an error names no id and no path"
    return caught.value


def test_missing_centroids(tmp_path: Path, phantom: Phantom) -> None:
    layouts.write_bids(tmp_path, "sub-verse004", layouts.written(phantom), None)
    assert code_of(tmp_path).code == DataCode.NO_CENTROIDS


def test_fracture_of_a_vertebra_that_is_not_there(tmp_path: Path, phantom: Phantom) -> None:
    one_study(tmp_path, phantom, ["T10", "T11", "L1", "L2", "L3", "L4"])
    graded(tmp_path, phantom)
    error = code_of(tmp_path)
    assert error.code == DataCode.GRADE_MISMATCH
    assert "T12" in str(error) and "L2" not in str(error)


def test_table_of_other_scans(tmp_path: Path, phantom: Phantom) -> None:
    one_study(tmp_path, phantom)
    graded(tmp_path, phantom, scan="77")
    assert code_of(tmp_path).code == DataCode.NO_GRADES


def test_mirrored_centroids_do_not_pass(tmp_path: Path, phantom: Phantom) -> None:
    """The direction says feet to head where the numbers run from head to feet."""
    one_study(tmp_path, phantom)
    (path,) = tmp_path.rglob("*_ctd.json")
    entries = json.loads(path.read_text())
    entries[0]["direction"] = ["R", "A", "I"]
    path.write_text(json.dumps(entries))
    assert code_of(tmp_path, load=True).code == DataCode.POSITION_MISMATCH


def test_mask_on_another_grid(tmp_path: Path, phantom: Phantom) -> None:
    one_study(tmp_path, phantom)
    (path,) = tmp_path.rglob("*_msk.nii.gz")
    mask = nibabel.load(path)
    moved = mask.affine.copy()
    moved[2, 3] += 3
    voxels = np.asarray(mask.dataobj)
    for changed in (nibabel.Nifti1Image(voxels, moved), nibabel.Nifti1Image(voxels[:, :, 1:], mask.affine)):
        nibabel.save(changed, path)
        assert code_of(tmp_path, load=True).code == DataCode.GRID_MISMATCH


def test_mask_without_a_vertebra_that_has_a_centroid(tmp_path: Path, phantom: Phantom) -> None:
    one_study(tmp_path, phantom)
    (path,) = tmp_path.rglob("*_msk.nii.gz")
    mask = nibabel.load(path)
    voxels = np.asarray(mask.dataobj).copy()
    voxels[voxels == layouts.NUMBER["L1"]] = 0
    nibabel.save(nibabel.Nifti1Image(voxels, mask.affine), path)
    assert code_of(tmp_path, load=True).code == DataCode.BAD_MASK


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("{", DataCode.BAD_CENTROIDS),
        ('{"label": 20}', DataCode.BAD_CENTROIDS),
        ('[{"direction": ["R", "L", "S"]}]', DataCode.BAD_CENTROIDS),
        ('[{"direction": ["R", "A", "S"]}, {"label": 20, "X": 1, "Y": 2}]', DataCode.BAD_CENTROIDS),
        ('[{"label": 20, "X": 1, "Y": 2, "Z": 3}, {"label": 20, "X": 1, "Y": 2, "Z": 3}]', DataCode.BAD_CENTROIDS),
        ('[{"label": 99, "X": 1, "Y": 2, "Z": 3}]', DataCode.UNKNOWN_LEVEL),
    ],
)
def test_damaged_centroid_files(tmp_path: Path, phantom: Phantom, content: str, code: DataCode) -> None:
    one_study(tmp_path, phantom)
    next(tmp_path.rglob("*_ctd.json")).write_text(content)
    assert code_of(tmp_path).code == code


def test_centroids_that_are_no_number_are_left_out(tmp_path: Path, phantom: Phantom) -> None:
    one_study(tmp_path, phantom)
    (path,) = tmp_path.rglob("*_ctd.json")
    entries = json.loads(path.read_text())
    entries[1]["X"] = float("nan")
    path.write_text(json.dumps(entries))
    (study,) = read_verse(tmp_path)
    assert "T10" not in study.grades and "T11" in study.grades


def test_a_copy_is_taken_once_and_another_image_of_the_same_id_is_refused(tmp_path: Path, phantom: Phantom) -> None:
    one_study(tmp_path / "verse19", phantom)
    shutil.copytree(tmp_path / "verse19", tmp_path / "verse20")
    assert len(read_verse(tmp_path)) == 1
    path = next((tmp_path / "verse20").rglob("*_ct.nii.gz"))
    image = nibabel.load(path)
    nibabel.save(nibabel.Nifti1Image(np.asarray(image.dataobj) + 1, image.affine), path)
    assert code_of(tmp_path).code == DataCode.DUPLICATE_STUDY


def test_all_problems_are_told_and_the_others_still_read(tmp_path: Path, phantom: Phantom) -> None:
    one_study(tmp_path, phantom)
    layouts.write_bids(tmp_path, "sub-verse005", layouts.written(phantom), None)
    problems: list[DataError] = []
    assert len(read_verse(tmp_path, problem=problems.append)) == 1
    assert [p.code for p in problems] == [DataCode.NO_CENTROIDS]
    assert "study 2 of 2" in str(problems[0])


@pytest.fixture(scope="module")
def real_spine(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> tuple[AnnotatedStudy, Scan]:
    """The shared spine; its CT is not public, so bone of one density stands where the mask is."""
    root = tmp_path_factory.mktemp("real")
    name = "sub-sample001"
    source = shared_data / "verse" / name / "sample_dataset" / "derivatives" / name
    made = root / "derivatives" / name
    made.mkdir(parents=True)
    for path in source.iterdir():
        shutil.copyfile(path, made / path.name)
    mask = nibabel.load(source / f"{name}_seg-vert_msk.nii.gz")
    hu = np.where(np.asarray(mask.dataobj) > 0, 250, 40).astype(np.int16)
    hu[..., 0] = -1000
    (root / "rawdata" / name).mkdir(parents=True)
    nibabel.save(nibabel.Nifti1Image(hu, mask.affine), root / "rawdata" / name / f"{name}_ct.nii.gz")
    levels = [f"T{i}" for i in range(1, 13)] + [f"L{i}" for i in range(1, 6)]
    grades = dict.fromkeys(levels, (0, None)) | {"L1": (2, "biconcave"), "L2": (1, "crush")}
    layouts.write_table(root / "grades.xlsx", layouts.supplement({"sample001": grades}))
    (study,) = read_verse(root)
    return study, study.load()


@pytest.mark.slow
def test_the_real_fractured_spine(real_spine: tuple[AnnotatedStudy, Scan]) -> None:
    """Heights published with it: L1 17.7 mm in the middle against 26 mm, L2 about 22 mm all round."""
    study, scan = real_spine
    assert [v.level for v in scan.vertebrae] == [f"T{i}" for i in range(1, 13)] + [f"L{i}" for i in range(1, 6)]
    assert (np.diff([v.centre_mm[2] for v in scan.vertebrae]) < -15).all(), "head to feet, a vertebra apart"
    l1, l2, l3 = (next(v for v in scan.vertebrae if v.level == level) for level in ("L1", "L2", "L3"))
    assert study.grade == 2
    assert (l1.verdict.grade, l1.verdict.shape, l2.verdict.grade) == (2, "biconcave", 1)
    for v in (l1, l2, l3):
        assert v.heights_mm is not None
    assert l1.heights_mm is not None and l2.heights_mm is not None and l3.heights_mm is not None
    assert l1.heights_mm[1] == pytest.approx(17.7, abs=1.0)
    assert l1.heights_mm[2] == pytest.approx(26.0, abs=1.5)
    assert np.ptp(l2.heights_mm) < 3 and np.mean(l2.heights_mm) == pytest.approx(22, abs=3)
    assert min(l3.heights_mm) > max(l2.heights_mm)


@pytest.mark.slow
def test_the_real_spine_faces_forward(real_spine: tuple[AnnotatedStudy, Scan]) -> None:
    """Bodies lie in front of the canal, arches behind it: y runs to the back."""
    _, scan = real_spine
    assert scan.canal_mm is not None and scan.labels is not None
    dz, dy, _ = scan.volume.spacing_mm
    for v in scan.vertebrae:
        z = round(v.centre_mm[2] / dz)
        canal_y = scan.canal_mm[z, 1]
        assert 8 < canal_y - v.centre_mm[1] < 40, v.level
        rows = np.flatnonzero(scan.labels[z].any(axis=1)) * dy
        assert rows.min() < v.centre_mm[1] < canal_y < rows.max(), v.level
