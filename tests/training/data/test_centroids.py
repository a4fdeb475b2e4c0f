# SPDX-License-Identifier: Apache-2.0
"""VerSe's centroid files: axes by letters, units by kind of file, and what is no such file."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vcf_training.data.annotated import DataCode, DataError
from vcf_training.data.centroids import read_centroids

SHAPE, SPACING = (40, 50, 60), (3.0, 1.0, 0.5)
"""Canonical z, y, x."""


def write(folder: Path, entries: Any, name: str = "sub-x_ctd.json") -> Path:
    path = folder / name
    path.write_text(entries if isinstance(entries, str) else json.dumps(entries))
    return path


def centroid(label: Any = 20, x: Any = 10.0, y: Any = 11.0, z: Any = 12.0) -> dict[str, Any]:
    return {"label": label, "X": x, "Y": y, "Z": z}


@pytest.mark.parametrize(
    ("direction", "place"),
    [
        (["L", "P", "S"], (10 * 0.5, 11 * 1.0, 12 * 3.0)),
        (["P", "I", "R"], ((60 - 12) * 0.5, 10 * 1.0, (40 - 11) * 3.0)),
        (["R", "A", "I"], ((60 - 10) * 0.5, (50 - 11) * 1.0, (40 - 12) * 3.0)),
        (["S", "L", "A"], (11 * 0.5, (50 - 12) * 1.0, 10 * 3.0)),
    ],
)
def test_letters_say_where_an_axis_runs_to(tmp_path: Path, direction: list[str], place: tuple[float, ...]) -> None:
    found = read_centroids(write(tmp_path, [{"direction": direction}, centroid()]), "study 1")
    assert not found.in_mm
    np.testing.assert_allclose(found.canonical_mm(SHAPE, SPACING)[20], place)


@pytest.mark.parametrize("name", ["x_iso-ctd.json", "x_ISO-CTD.json"])
def test_the_challenges_files_are_in_millimetres(tmp_path: Path, name: str) -> None:
    found = read_centroids(write(tmp_path, [{"direction": ["P", "I", "R"]}, centroid()], name), "study 1")
    assert found.in_mm
    np.testing.assert_allclose(found.canonical_mm(SHAPE, SPACING)[20], (60 * 0.5 - 12, 10, 40 * 3 - 11))


def test_without_a_direction_a_file_is_of_the_challenge(tmp_path: Path) -> None:
    found = read_centroids(write(tmp_path, [centroid()]), "study 1")
    assert found.in_mm and found.direction == ("P", "I", "R")


def test_places_that_are_no_numbers_are_left_out(tmp_path: Path) -> None:
    found = read_centroids(write(tmp_path, [centroid(19, None), centroid(20), centroid(21, float("nan"))]), "study 1")
    assert list(found.points) == [20]


@pytest.mark.parametrize(
    ("entries", "code"),
    [
        ("{", DataCode.BAD_CENTROIDS),
        ({"label": 20}, DataCode.BAD_CENTROIDS),
        ([1, 2], DataCode.BAD_CENTROIDS),
        ([{"direction": ["L", "R", "S"]}, centroid()], DataCode.BAD_CENTROIDS),
        ([{"direction": ["L", "P"]}, centroid()], DataCode.BAD_CENTROIDS),
        ([{"direction": "LPX"}, centroid()], DataCode.BAD_CENTROIDS),
        ([{"direction": ["L", "P", "S"]}] * 2, DataCode.BAD_CENTROIDS),
        ([centroid(), centroid()], DataCode.BAD_CENTROIDS),
        ([{"label": 20, "X": 1.0, "Y": 2.0}], DataCode.BAD_CENTROIDS),
        ([centroid("L1")], DataCode.BAD_CENTROIDS),
        ([centroid(0)], DataCode.UNKNOWN_LEVEL),
        ([centroid(29)], DataCode.UNKNOWN_LEVEL),
    ],
)
def test_what_is_no_centroid_file(tmp_path: Path, entries: Any, code: DataCode) -> None:
    with pytest.raises(DataError) as refused:
        read_centroids(write(tmp_path, entries), "study 7")
    assert refused.value.code == code
    assert refused.value.sentence.startswith("study 7: ") and str(tmp_path) not in str(refused.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="study 7: the centroid file is no readable JSON"):
        read_centroids(tmp_path / "none.json", "study 7")
