# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from tests.training.data import layouts
from vcf_training.data.annotated import DataCode, DataError, Grade
from vcf_training.data.grades import find_supplement, normalised, read_supplement

ROWS = {"4": {"T12": (2, "wedge"), "L1": (0, None), "L2": ("x", None)}, "90": {"L3": (3, "crush")}}


@pytest.mark.parametrize("name", ["a.xlsx", "a.csv"])
def test_reads_the_published_columns(tmp_path: Path, name: str) -> None:
    lines = [*layouts.supplement(ROWS, {"90": "400"}), [None] * 5, [None, None, "remarks below the table"]]
    found = read_supplement(layouts.write_table(tmp_path / name, lines))
    assert set(found) == {"verse004", "verse090"}
    grades = found["verse004"].grades
    assert grades["T12"] == Grade(2, "wedge")
    assert grades["L1"] == Grade(0)
    assert grades["L2"] == Grade(None), "foreign material is no grade"
    assert grades["T1"] == Grade(None), "an empty cell is missing, not 0"
    assert found["verse090"].subject == "verse400"


def test_semicolons_and_other_ways_to_write_a_column(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("\ufeffVerSe ID;L1_FX-G;L1 fx s\n5.0;1.0;2\n", encoding="utf-8")
    assert read_supplement(path)["verse005"].grades == {"L1": Grade(1, "biconcave")}


@pytest.mark.parametrize(
    ("written", "meant"),
    [("4", "verse004"), (4.0, "verse004"), ("sub-verse004", "verse004"), ("GL003", "gl003"), ("sub-own7", "own7")],
)
def test_ids_are_the_same_however_they_are_written(written: object, meant: str) -> None:
    assert normalised(written) == meant


@pytest.mark.parametrize("value", ["4", "-1", "1.5", "mild"])
def test_a_wrong_grade_is_named_by_line_and_column(tmp_path: Path, value: str) -> None:
    path = layouts.write_table(tmp_path / "a.xlsx", layouts.supplement(ROWS | {"91": {"L3": (value, None)}}))
    with pytest.raises(DataError, match=r"line 4 .* column L3_fx-g") as caught:
        read_supplement(path)
    assert caught.value.code == DataCode.BAD_VALUE


@pytest.mark.parametrize(
    ("header", "missing"), [("scan,L1_fx-g", "verse_ID"), ("verse_ID,L1 grade", "T1_fx-g … L6_fx-g")]
)
@pytest.mark.parametrize("name", ["a.xlsx", "a.csv"])
def test_other_column_names_are_told(tmp_path: Path, name: str, header: str, missing: str) -> None:
    path = layouts.write_table(tmp_path / name, [header.split(","), [4, 1]])
    with pytest.raises(DataError, match=f"lacks {missing};") as caught:
        read_supplement(path)
    assert caught.value.code == DataCode.BAD_COLUMNS
    assert find_supplement(tmp_path) is None


def test_a_file_that_is_no_workbook(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_text("verse_ID,L1_fx-g\n")
    with pytest.raises(DataError) as caught:
        read_supplement(tmp_path / "a.xlsx")
    assert caught.value.code == DataCode.BAD_COLUMNS


def test_two_lines_for_one_scan(tmp_path: Path) -> None:
    lines = layouts.supplement(ROWS)
    same = layouts.write_table(tmp_path / "same.csv", [*lines, lines[-1]])
    assert len(read_supplement(same)) == 2
    other = layouts.write_table(tmp_path / "other.csv", [*lines, *layouts.supplement({"90": {"L3": (0, None)}})[1:]])
    with pytest.raises(DataError, match="lines 3 and 4") as caught:
        read_supplement(other)
    assert caught.value.code == DataCode.DUPLICATE_STUDY
    with pytest.raises(DataError, match="2 tables"):
        find_supplement(tmp_path)
