# SPDX-License-Identifier: Apache-2.0
"""The plain CSV, with a DICOM folder and NIfTI files of the same phantom."""

from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest

from tests.training.data import layouts
from vcf_training.data.annotated import DataCode, DataError, Grade
from vcf_training.data.table import find_table, read_table
from vcf_training.phantom import Phantom
from vcf_training.phantom.dicom import write_series

HEADER = "study,patient,vertebra,grade,type,x_mm,y_mm,z_mm,space,labels,canal"


def write(root: Path, lines: list[str], header: str = HEADER) -> Path:
    path = root / "studies.csv"
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def placed(phantom: Phantom, study: str, *, space: str = "LPS") -> list[str]:
    sign = np.array((-1, -1, 1)) if space == "RAS" else np.ones(3)
    lines = []
    for v in phantom.vertebrae:
        x, y, z = (phantom.volume.to_lps_mm(np.array(v.centre_mm)) * sign).round(2)
        lines.append(f"{study},p1,{v.level},{v.grade},{v.shape or ''},{x},{y},{z},{space},,")
    return lines


@pytest.fixture(scope="module")
def wide(phantom: Phantom) -> Phantom:
    """The phantom in a field of view as wide as a chest CT's: the DICOM reader takes no narrower one."""
    _, height, width = phantom.volume.hu.shape
    margins = ((0, 0), (0, 140 - height), (0, 140 - width))
    hu = np.pad(phantom.volume.hu, margins, constant_values=-1000)
    return replace(phantom, volume=replace(phantom.volume, hu=hu))


@pytest.mark.slow
@pytest.mark.parametrize("position", ["HFS", "FFP"])
def test_dicom_folder_with_positions(tmp_path: Path, wide: Phantom, position: str) -> None:
    phantom = wide
    write_series(phantom, tmp_path / "one", position=position)
    (study,) = read_table(write(tmp_path, placed(phantom, "one")))
    scan = study.load()
    np.testing.assert_array_equal(scan.volume.hu, phantom.volume.hu)
    truth = layouts.by_level(phantom.vertebrae)
    assert [v.level for v in scan.vertebrae] == [v.level for v in phantom.vertebrae]
    for v in scan.vertebrae:
        np.testing.assert_allclose(v.centre_mm, truth[v.level].centre_mm, atol=0.02)
        assert (v.verdict.grade, v.verdict.shape) == (truth[v.level].grade, truth[v.level].shape)


@pytest.mark.parametrize("space", ["LPS", "RAS"])
def test_nifti_with_masks(tmp_path: Path, phantom: Phantom, space: str) -> None:
    files = layouts.written(phantom, "PIR")
    nibabel.save(files.image, tmp_path / "ct.nii.gz")
    nibabel.save(files.mask, tmp_path / "labels.nii.gz")
    canal = np.zeros(phantom.volume.hu.shape, np.uint8)
    _, dy, dx = phantom.volume.spacing_mm
    for z, (x, y) in enumerate(phantom.centre_line_mm):
        canal[z, round(y / dy) - 3 : round(y / dy) + 4, round(x / dx) - 5 : round(x / dx) + 6] = 1
    affine = layouts.TO_RAS @ phantom.volume.affine
    nibabel.save(nibabel.Nifti1Image(canal.transpose(2, 1, 0), affine), tmp_path / "canal.nii.gz")
    lines = [
        line.removesuffix(",") + "labels.nii.gz,canal.nii.gz" for line in placed(phantom, "ct.nii.gz", space=space)
    ]
    (study,) = read_table(write(tmp_path, lines))
    scan = study.load()
    assert all(v.heights_mm is not None for v in scan.vertebrae)
    assert scan.canal_mm is not None and scan.canal_size_mm is not None
    np.testing.assert_allclose(scan.canal_mm, phantom.centre_line_mm, atol=1.01)
    np.testing.assert_allclose(scan.canal_size_mm, np.tile((22.0, 14.0), (len(canal), 1)))


def test_labels_alone_give_the_places(tmp_path: Path, phantom: Phantom) -> None:
    files = layouts.written(phantom)
    nibabel.save(files.image, tmp_path / "ct.nii.gz")
    nibabel.save(files.mask, tmp_path / "labels.nii.gz")
    lines = [f"ct.nii.gz,p1,{v.level},{v.grade},,,,,,labels.nii.gz," for v in phantom.vertebrae]
    scan = read_table(write(tmp_path, lines))[0].load()
    truth = layouts.by_level(phantom.vertebrae)
    for v in scan.vertebrae:
        assert abs(v.centre_mm[2] - truth[v.level].centre_mm[2]) < 4, v.level


@pytest.mark.parametrize(
    ("lines", "grade", "complete"),
    [
        (["a,p,,0,,,,,,,"], 0, True),
        (["a,p,,2,,,,,,,"], 2, True),
        (["a,p,L1,2,,,,,,,"], 2, False),
        (["a,p,L1,0,,,,,,,"], None, False),
        (["a,p,L1,1,,,,,,,", "a,p,,1,,,,,,,"], 1, True),
        (["a,p,L1,,,,,,,,", "a,p,L2,1,,,,,,,"], 1, False),
    ],
)
def test_what_is_known_of_a_study(tmp_path: Path, lines: list[str], grade: int | None, complete: bool) -> None:
    (tmp_path / "a").mkdir()
    (study,) = read_table(write(tmp_path, lines))
    assert (study.grade, study.complete) == (grade, complete)
    assert study.patient != "p" and len(study.patient) == 16


@pytest.mark.parametrize(
    ("line", "code", "named"),
    [
        ("a,p,L7,1", DataCode.UNKNOWN_LEVEL, "line 3, column vertebra"),
        ("a,p,L1,4", DataCode.BAD_VALUE, "line 3, column grade"),
        ("a,p,,", DataCode.BAD_VALUE, "line 3, column grade"),
        ("a,,L1,1", DataCode.BAD_VALUE, "line 3, column patient"),
        ("a,p,L2,1,bent", DataCode.BAD_VALUE, "line 3, column type"),
        ("a,p,L2,1,,1,2", DataCode.BAD_VALUE, "line 3, column x_mm, y_mm, z_mm"),
        ("a,p,L2,1,,1,2,inf", DataCode.BAD_VALUE, "finite"),
        ("a,p,L2,1,,1,2,3,RPI", DataCode.BAD_VALUE, "line 3, column space"),
        ("a,q,L2,1", DataCode.GRADE_MISMATCH, "2 patients"),
        ("a,p,L1,1", DataCode.GRADE_MISMATCH, "two lines"),
        ("a,p,,3", DataCode.GRADE_MISMATCH, "given as 3"),
        ("none,p,L1,1", DataCode.NO_IMAGE, "no CT"),
    ],
)
def test_broken_lines_are_named(tmp_path: Path, line: str, code: DataCode, named: str) -> None:
    (tmp_path / "a").mkdir()
    path = write(tmp_path, ["a,p,L1,1", line])
    with pytest.raises(DataError, match=named) as caught:
        read_table(path)
    assert caught.value.code == code
    problems: list[DataError] = []
    read_table(path, problems.append)
    assert [p.code for p in problems] == [code]


def test_missing_columns_are_named(tmp_path: Path) -> None:
    path = write(tmp_path, ["a,p,L1"], "study,patient,level")
    assert find_table(tmp_path) is None
    with pytest.raises(DataError, match="lacks the columns vertebra, grade"):
        read_table(path)


def test_a_position_outside_the_scan(tmp_path: Path, phantom: Phantom) -> None:
    nibabel.save(layouts.written(phantom).image, tmp_path / "one.nii")
    lines = placed(phantom, "one.nii")
    lines[0] = f"one.nii,p1,{phantom.vertebrae[0].level},0,,0,0,5000,,,"
    with pytest.raises(DataError) as caught:
        read_table(write(tmp_path, lines))[0].load()
    assert caught.value.code == DataCode.POSITION_MISMATCH


def test_verdicts_refuse_other_values() -> None:
    with pytest.raises(ValueError, match="grade is 4"):
        Grade(4)
    with pytest.raises(ValueError, match="shape is 'bent'"):
        Grade(1, "bent")
