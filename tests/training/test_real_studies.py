# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training.masks.conftest import plain_mask
from tests.training.warp.conftest import PlainSpine, plain_spine
from vcf_training import real_studies
from vcf_training.masks import MaskSpine
from vcf_training.studies import Studies
from vcf_training.warp import Patient, WarpedSpine, warped_spine

__all__ = ["plain_spine"]


@pytest.fixture
def patient(plain_spine: PlainSpine) -> Patient:
    return plain_spine.patient(np.where(plain_spine.labels > 0, 250, 40).astype(np.int16))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, patient: Patient) -> list[tuple[int, float, bool]]:
    """One plain patient stands in for the CTs; (seed, probability, healed) of every sample that was asked for."""
    found: list[tuple[int, float, bool]] = []

    def draw(seed: list[int], of: Patient, *, fracture_probability: float, healed: bool) -> WarpedSpine:
        found.append((seed[0], fracture_probability, healed))
        if seed[0] == 1:
            raise ValueError("no deformation succeeded")
        return warped_spine(seed, of, fracture_probability=fracture_probability, healed=healed)

    monkeypatch.setattr(real_studies, "warped_spine", draw)
    monkeypatch.setattr(real_studies, "load_patients", lambda *_, **__: [patient])
    return found


def load(cache: Path, samples: int, views: int = 1, **more: Any) -> Any:
    return real_studies.load_warped(samples, views, cache, workers=1, **more)


@pytest.mark.slow
def test_twins_of_each_deformation_and_none_of_one_that_fails(
    asked: list[tuple[int, float, bool]], tmp_path: Path
) -> None:
    told: list[tuple[int, int]] = []
    studies = load(tmp_path, 3, 2, done=lambda done, total: told.append((done, total)))
    assert studies.name.tolist() == [f"warp-plain-{n}.{view}" for n in (0, 2) for _ in range(2) for view in (0, 1)]
    assert studies.study_label.tolist() == [0, 0, 1, 1] * 2
    assert ((studies.study_grade > 0) == studies.study_label).all()
    assert studies.patches.max() > 60  # bone is in view
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_patients_are_told_from_the_names_of_studies() -> None:
    named = ["phantom-7.0", "warp-hcc-006-500000.0", "real-verse-014-3.0", "render-sub-verse009-500002.1", "own"]
    studies = replace(Studies.none(), name=np.array([*named, named[1]]))
    assert real_studies.patients_of(studies) == ["hcc-006", "sub-verse009", "verse-014"]


def test_drawn_once_then_read_from_the_cache(asked: list[tuple[int, float, bool]], tmp_path: Path) -> None:
    first = load(tmp_path, 1)
    count = len(asked)
    again = load(tmp_path, 1)
    assert len(asked) == count == 2
    np.testing.assert_array_equal(again.patches, first.patches)


@pytest.mark.slow
def test_every_use_has_seeds_and_a_cache_entry_of_its_own(asked: list[tuple[int, float, bool]], tmp_path: Path) -> None:
    for use in ("train", "tune", "evaluate"):
        load(tmp_path, 1, use=use)
    assert {seed for seed, *_ in asked} == {0, real_studies.TUNING_SEED, real_studies.EVALUATION_SEED}
    assert len(list(tmp_path.glob("*.npz"))) == 3


def test_a_ct_without_marks_gives_sound_studies_alone(
    monkeypatch: pytest.MonkeyPatch, patient: Patient, tmp_path: Path
) -> None:
    bare = Patient("bare", patient.volume, patient.canal_mm, patient.canal_slices, (), frozenset())
    monkeypatch.setattr(real_studies, "load_patients", lambda *_, **__: [bare])
    studies = load(tmp_path, 2)
    assert studies.study_label.tolist() == [0, 0]
    assert studies.weight.all()


def test_no_samples_and_no_patients_give_no_studies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(real_studies, "load_patients", lambda *_, **__: [])
    monkeypatch.setattr(real_studies, "load_mask_spines", lambda *_: [])
    assert load(tmp_path, 0) is None
    assert load(tmp_path, 2) is None
    assert real_studies.load_rendered(2, 1, tmp_path, workers=1) is None
    assert not list(tmp_path.iterdir())


def test_a_mask_with_fractures_is_seen_as_it_is_and_stretched_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    crushed: MaskSpine = plain_mask({"T11": 12.0})
    monkeypatch.setattr(real_studies, "load_mask_spines", lambda *_: [crushed])
    monkeypatch.setattr(real_studies, "load_patients", lambda *_, **__: [])
    studies = real_studies.load_rendered(1, 1, tmp_path, workers=1)
    assert studies is not None
    assert studies.study_label.tolist() == [0, 1]
    assert studies.study_grade.tolist() == [0, 3]
    assert studies.name[0] == studies.name[1]


def test_what_was_drawn_by_another_preparation_is_drawn_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel that resamples is a constant of the contract: a change of it must not leave old patches in use."""
    code = tmp_path / "code.py"
    code.write_text("one")
    monkeypatch.setattr(real_studies, "preparation_code", lambda: [code])
    one = real_studies._digest("warp", None)
    assert one == real_studies._digest("warp", None)
    code.write_text("another")
    assert one != real_studies._digest("warp", None)
