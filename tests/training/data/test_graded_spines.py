# SPDX-License-Identifier: Apache-2.0
"""Graded CTs of the development data, read as far as they are at hand."""

from pathlib import Path

import pytest

from vcf_contract.errors import SetupError
from vcf_training.data.graded_spines import FOLDER, GRADES, load_graded_spines, read_grades
from vcf_training.data.sources import Where


def test_grades_by_scan_and_level(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / GRADES).write_text("scan,vertebra,genant_grade\na,T12,0\na,L1,3\nb,L2,1\n")
    assert read_grades(Where(tmp_path)) == {"a": {"T12": 0, "L1": 3}, "b": {"L2": 1}}


def test_data_that_is_not_at_hand(tmp_path: Path) -> None:
    with pytest.raises(SetupError):
        read_grades(Where(tmp_path))


def test_spines_that_are_not_at_hand_are_left_out_and_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert load_graded_spines(tmp_path) == []
    assert caplog.records and all("left out" in record.message for record in caplog.records)
    assert str(tmp_path / "patient") not in caplog.text


@pytest.mark.slow
def test_real_spines_have_a_canal_and_grades_of_their_masks(shared_data: Path) -> None:
    found = load_graded_spines(shared_data)
    if not found:
        pytest.skip("VerSe's graded CTs are not among the development data")
    for spine in found:
        assert spine.volume.hu.shape == spine.masks.labels.shape  # type: ignore[union-attr]
        assert len(spine.canal_mm) == len(spine.volume.hu) and spine.remark
