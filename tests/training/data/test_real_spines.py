# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import numpy as np
import pytest

from vcf_contract.errors import SetupError
from vcf_training.data.fetch import fetch_sample
from vcf_training.data.real_spines import LEVELS, RealSpine, is_whole, load_real_spines


@pytest.fixture(scope="module")
def spines(shared_data: Path) -> dict[str, RealSpine]:
    quick = {
        "shared/ct/crlm-ct-1006",
        "shared/ct/lung-pet-ct-dx-a0001-kernel-b",
        "shared/ct/acrin013",
        "totalsegmentator/example_ct",
    }
    return {spine.source: spine for spine in load_real_spines(shared_data, names=quick | {"lidc-idri-0001"})}


def test_levels_are_numbered_as_verse_does() -> None:
    """VerSe: 1–7 cervical, 8–19 thoracic, 20–25 lumbar, 26 sacrum."""
    assert [LEVELS[name] for name in ("C1", "C7", "T1", "T12", "L1", "L6", "sacrum")] == [1, 7, 8, 19, 20, 25, 26]


def test_a_level_cut_by_the_scan_is_not_whole() -> None:
    labels = np.zeros((4, 3, 3), np.uint8)
    labels[1:3, 1, 1] = 20
    labels[2:, 2, 2] = 19
    assert is_whole(labels, 20)
    assert not is_whole(labels, 19)
    assert not is_whole(labels, 8)


def test_the_test_patient_needs_to_be_asked_for(spines: dict[str, RealSpine]) -> None:
    assert "lidc-idri-0001" not in spines


def test_training_spines(spines: dict[str, RealSpine]) -> None:
    assert {"shared/ct/crlm-ct-1006", "shared/ct/lung-pet-ct-dx-a0001-kernel-b"} <= set(spines)
    for spine in spines.values():
        assert spine.canal_mm.shape == (len(spine.volume.hu), 2)
        known = np.flatnonzero(np.isfinite(spine.canal_mm[:, 0]))
        assert (np.diff(known) == 1).all(), "the line has no gaps"


def test_vertebrae_of_the_example(spines: dict[str, RealSpine]) -> None:
    spine = spines.get("totalsegmentator/example_ct")
    if spine is None or spine.masks is None or spine.masks.bodies is None:
        pytest.skip("sample could not be fetched")
    levels = spine.levels()
    assert {"L1", "L2", "L3", "L4", "L5"} <= set(levels)
    assert "T12" not in levels, "it is cut by the upper end of the scan"
    mean_z = [np.argwhere(spine.masks.labels == levels[f"L{i}"])[:, 0].mean() for i in range(1, 6)]
    assert (np.diff(mean_z) < 0).all(), "L5 is nearest to the feet"
    for label in levels.values():
        z, y, x = np.nonzero(spine.masks.bodies & (spine.masks.labels == label))
        canal = spine.canal_mm[z]
        known = np.isfinite(canal[:, 0])
        if known.any():
            assert (y * spine.volume.spacing_mm[1])[known].mean() < canal[known, 1].mean() - 10, "bodies lie in front"
            assert abs((x * spine.volume.spacing_mm[2])[known].mean() - canal[known, 0].mean()) < 6


def test_body_height_agrees_with_the_published_one(spines: dict[str, RealSpine]) -> None:
    """Height of the body mask near its middle against the heights that TotalSegmentator published for this CT."""
    spine = spines.get("totalsegmentator/example_ct")
    if spine is None or spine.masks is None or spine.masks.bodies is None:
        pytest.skip("sample could not be fetched")
    (report,) = fetch_sample("totalsegmentator-example").rglob("spine_report.json")
    published = json.loads(report.read_text())["results"]  # on a grid of 3 mm, in steps of 1.5 mm
    for name in ("L1", "L2", "L3", "L4", "L5"):
        middle_mm = float(published[f"vertebrae_{name}_height_middle_mm"])
        body = spine.masks.bodies & (spine.masks.labels == LEVELS[name])
        columns = body.sum(axis=0) * spine.volume.spacing_mm[0]
        y, x = np.argwhere(columns > 0).mean(axis=0).astype(int)
        assert np.median(columns[y - 1 : y + 2, x - 1 : x + 2]) == pytest.approx(middle_mm, abs=6.0), name


def test_sample_around_l3(spines: dict[str, RealSpine]) -> None:
    spine = spines.get("tptbox/sample_ct")
    if spine is None or spine.masks is None or spine.masks.bodies is None:
        pytest.skip("sample could not be fetched")
    assert list(spine.levels()) == ["L3"]
    body = spine.masks.bodies & (spine.masks.labels == LEVELS["L3"])
    inside = spine.volume.hu[body].mean()
    for axis in range(3):
        for shift in (-4, 4):  # 6 mm off, the mask takes in disc, muscle or canal
            assert spine.volume.hu[np.roll(body, shift, axis)].mean() < inside - 5, "mask and CT lie on each other"


@pytest.mark.slow
def test_evaluation_spine() -> None:
    try:
        found = load_real_spines(use="evaluate")
    except SetupError as error:
        pytest.skip(str(error))
    if not found:
        pytest.skip("sample could not be fetched")
    (spine,) = found
    assert [*spine.levels()] == ["L1", *(f"T{i}" for i in range(12, 0, -1))]
    assert np.isfinite(spine.canal_mm).all()
