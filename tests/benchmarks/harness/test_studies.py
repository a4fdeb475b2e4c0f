# SPDX-License-Identifier: Apache-2.0
"""Studies cut out of one CT, which a phantom of known values stands in for."""

from pathlib import Path

import numpy as np
import pytest

from vcf_benchmarks.harness import studies
from vcf_client.study import Study
from vcf_preprocess.geometry import Volume


@pytest.fixture(autouse=True)
def ct(monkeypatch: pytest.MonkeyPatch) -> Study:
    """Linear along z, so that interpolation is exact: 20 at each slice more, from −200."""
    hu = np.broadcast_to((20 * np.arange(21) - 200).astype(np.int16)[:, None, None], (21, 6, 5)).copy()
    affine = np.diag([0.7, 0.8, 2.5, 1.0])
    made = Study(Volume(hu, (2.5, 0.8, 0.7), affine), "k1", (), ("taken",))
    monkeypatch.setattr(studies, "demo_series", lambda: Path("nowhere"))
    monkeypatch.setattr(studies, "read_study", lambda folder: made)
    return made


@pytest.mark.parametrize(("slices", "height_mm"), [(21, None), (41, None), (11, None), (300, 300.0)])
def test_a_stretched_ct_has_its_slices_and_its_height(ct: Study, slices: int, height_mm: float | None) -> None:
    found = studies.stretched_ct(slices, height_mm).volume
    assert len(found.hu) == slices
    assert slices * found.spacing_mm[0] == pytest.approx(height_mm or 21 * 2.5)
    assert found.affine[2, 2] == pytest.approx(found.spacing_mm[0]) and found.affine[0, 0] == 0.7
    expected = np.interp(np.linspace(0, 20, slices), range(21), ct.volume.hu[:, 0, 0])
    assert np.abs(found.hu[:, 2, 3] - expected).max() <= 0.5


def test_a_library_holds_different_studies_of_one_size_that_share_their_memory() -> None:
    found = studies.library(30, 4)
    assert {study.volume.hu.shape for study in found} == {(30, 6, 5)}
    assert len({study.series_id for study in found}) == 4
    assert len({study.volume.hu.tobytes() for study in found}) == 4
    base = found[0].volume.hu.base
    assert base is not None and all(np.shares_memory(study.volume.hu, found[0].volume.hu.base) for study in found)


def test_windows_of_a_library_have_the_height_that_was_asked_for() -> None:
    for study in studies.library(30, 3, 150.0):
        assert 30 * study.volume.spacing_mm[0] == pytest.approx(150.0)
