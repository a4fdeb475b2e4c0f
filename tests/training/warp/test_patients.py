# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import numpy as np
import pytest

from tests.training.warp.conftest import PlainSpine
from vcf_preprocess.geometry import Volume
from vcf_training.data.real_spines import Masks, RealSpine
from vcf_training.data.sources import SOURCES
from vcf_training.warp.patients import Patient, complete_canal, make_patient, read_corners

VERSE = {"T9": 16, "T10": 17, "T11": 18, "T12": 19, "L1": 20}


def test_corners_are_of_training_sources_and_of_human_size() -> None:
    corners = read_corners()
    assert corners
    for source, levels in corners.items():
        assert SOURCES[source].use != "evaluate"
        for level, read in levels.items():
            heights = read.points.heights_mm
            assert min(heights) > 12 and max(heights) < 33, (source, level)
            assert 11 < read.points.depth_mm < 40, (source, level)


def test_a_body_upside_down_is_refused(tmp_path: Path) -> None:
    header = (Path(__file__).parents[3] / "training/vcf_training/warp/corners.csv").read_text().splitlines()[0]
    path = tmp_path / "corners.csv"
    path.write_text(f"{header}\na,L1,10,30,40,30,10,60,40,60,yes\n")
    with pytest.raises(ValueError, match="line 2: upper must lie above lower"):
        read_corners(path)
    path.write_text(f"{header}\na,X1,10,60,40,60,10,30,40,30,yes\n")
    with pytest.raises(ValueError, match="level 'X1'"):
        read_corners(path)


def test_canal_is_completed() -> None:
    canal = np.full((6, 2), np.nan)
    canal[1], canal[3] = (10, 50), (14, 54)
    full, seen = complete_canal(canal)
    assert seen == (1, 3)
    np.testing.assert_allclose(full[:, 0], (10, 10, 12, 14, 14, 14))
    with pytest.raises(ValueError, match="no slice"):
        complete_canal(canal[:1])


def test_bodies_from_masks(plain_spine: PlainSpine) -> None:
    numbers = np.array([0, *(VERSE[plain_spine.names[i]] for i in range(1, 6))], np.uint8)
    labels = numbers[plain_spine.labels]
    hu = np.where(labels > 0, 200, 60).astype(np.int16)
    volume = Volume(hu, (1.0, 1.0, 1.0), np.eye(4))
    patient = make_patient(RealSpine("s", "p", volume, plain_spine.canal_mm, Masks(labels, None), ""), {})
    assert patient is not None
    assert [body.level for body in patient.bodies] == ["T9", "T10", "T11", "T12", "L1"]
    assert patient.collapsible == frozenset(VERSE)
    for body in patient.bodies:
        np.testing.assert_allclose(body.heights_mm, 24, atol=1.0)
        assert abs(body.depth_mm - 30) < 1.5
        assert abs(body.origin[2] - plain_spine.bottom_mm(body.level) - 12) < 1.0


def test_a_spine_without_known_bodies_is_no_patient(plain_spine: PlainSpine) -> None:
    volume = Volume(np.zeros(plain_spine.labels.shape, np.int16), (1.0, 1.0, 1.0), np.eye(4))
    assert make_patient(RealSpine("s", "p", volume, plain_spine.canal_mm, None, ""), {}) is None


@pytest.mark.slow
def test_real_patients(real_patients: list[Patient]) -> None:
    assert [patient.name for patient in real_patients] == ["crlm-1006", "lung-pet-ct-dx-a0001", "hcc-013"]
    for patient in real_patients:
        assert len(patient.collapsible) >= 5
        dz = patient.volume.spacing_mm[0]
        for body in patient.bodies:  # the canal runs behind each body
            behind = float(np.interp(body.origin[2], np.arange(len(patient.canal_mm)) * dz, patient.canal_mm[:, 1]))
            assert 0.5 * body.depth_mm < behind - body.origin[1] < 0.5 * body.depth_mm + 16
