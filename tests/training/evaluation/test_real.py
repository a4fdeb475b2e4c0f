# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from vcf_training.data.sources import SOURCES
from vcf_training.evaluation.real import BY_EYE, GRADED_BY, REMARKS, Used, names, real_study

NOBODY = Used(frozenset(), frozenset())


@pytest.fixture(autouse=True)
def _shared(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VCF_SHARED_DATA", str(shared_data))


def test_a_patient_is_trained_on_if_any_network_learnt_from_it(tmp_path: Path) -> None:
    manifest = {
        "detector": {"real_scans": ["a"]},
        "members": {"a": {"real_scans": ["b"]}, "b": {}},
        "operating_point": {"real_scans": ["b", "c"]},
    }
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    used = Used.by(tmp_path)
    assert [used.word(patient) for patient in "abcd"] == ["trained on", "trained on", "tuned on", "held out"]


def test_every_series_is_listed_and_remarked() -> None:
    assert {"shared/ct/hcc002", "verse/sub-verse007", "lidc-idri-0001", "radiomics-phantom/1"} <= set(names())
    assert set(REMARKS) <= set(SOURCES)


@pytest.mark.slow
def test_a_graded_ct_has_its_vertebrae_where_the_mask_has_them() -> None:
    study = real_study("verse/sub-verse007", NOBODY)
    if study is None:
        pytest.skip("the graded CTs are not among the development data")
    assert (study.fractured, study.grade, study.traits["label"]) == (True, 2, GRADED_BY)
    assert {v.level: v.grade for v in study.vertebrae} == {
        "T9": 0, "T10": 0, "T11": 0, "T12": 2, "L1": 2, "L2": 0, "L3": 0,
    }  # fmt: skip
    heights = [v.centre_mm[2] for v in study.vertebrae]
    assert (np.diff(heights) < -15).all(), "from head to feet, a vertebra apart"
    assert study.centre_line_mm is not None
    assert study.volume is not None
    for v in study.vertebrae:
        x, y = study.centre_line_mm[round(v.centre_mm[2] / study.volume.spacing_mm[0])]
        if np.isfinite(x):
            assert abs(v.centre_mm[0] - x) < 12, v.level
            assert y - 45 < v.centre_mm[1] < y - 5, "a body lies in front of the canal"


@pytest.mark.slow
def test_a_grade_one_ct_and_a_sound_one() -> None:
    first, second = (real_study(f"verse/sub-verse{i}", NOBODY) for i in ("005", "014"))
    if first is None or second is None:
        pytest.skip("the graded CTs are not among the development data")
    assert (first.grade, second.fractured, second.grade) == (1, False, 0)
    assert len(second.vertebrae) == 5


def test_what_the_reader_of_files_refuses_is_scored_and_says_so() -> None:
    study = real_study("shared/ct/acrin013", NOBODY)
    if study is None:
        pytest.skip("the PET-CT is not among the development data")
    assert study.reader_flags == ("PET_CT",)
    assert (study.traits["reader"], study.traits["label"], study.fractured) == ("refused", BY_EYE, False)
    assert study.volume is not None
    assert study.volume.hu.shape == (49, 512, 512)
