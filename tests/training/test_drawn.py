# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import numpy as np
import pytest

from vcf_training.drawn import load_drawn
from vcf_training.studies import Studies

calls: list[int] = []


def one(number: int) -> list[Studies]:
    """A study of two patches that all hold the number; none for 3."""
    calls.append(number)
    if number == 4 and calls.count(4) == 1:
        raise KeyboardInterrupt
    if number == 3:
        return []
    none = Studies.none()
    patches = np.full((2, *none.patches.shape[1:]), number, np.uint8)
    flags = np.zeros(2, np.uint8)
    anatomy = np.zeros((2, *none.anatomy.shape[1:]), np.float16)
    place = np.array([0, 1], np.float32)
    return [Studies(patches, place, flags, flags, flags, anatomy, np.array([0, 2]), np.array([f"study {number}"]))]


def test_an_interrupted_drawing_goes_on_with_what_is_missing(tmp_path: Path) -> None:
    calls.clear()
    path = tmp_path / "set.npz"
    with pytest.raises(KeyboardInterrupt):
        load_drawn(path, one, range(6), workers=1)
    assert not path.exists()
    told: list[tuple[int, int]] = []
    studies = load_drawn(path, one, range(6), workers=1, done=lambda a, b: told.append((a, b)))
    assert calls == [0, 1, 2, 3, 4, 4, 5]
    assert told[0] == (4, 6)
    assert studies.name.tolist() == [f"study {n}" for n in (0, 1, 2, 4, 5)]
    assert list(tmp_path.iterdir()) == [path]
    load_drawn(path, one, range(6), workers=1)
    assert len(calls) == 7


def test_processes_give_what_one_gives_in_the_same_order(tmp_path: Path) -> None:
    calls.clear()
    alone = load_drawn(tmp_path / "alone.npz", one, [2, 1, 0], workers=1)
    shared = load_drawn(tmp_path / "shared.npz", one, [2, 1, 0], workers=2)
    np.testing.assert_array_equal(alone.patches, shared.patches)
    assert shared.name.tolist() == ["study 2", "study 1", "study 0"]


def test_nothing_drawn_is_no_file(tmp_path: Path) -> None:
    assert len(load_drawn(tmp_path / "set.npz", one, [3], workers=1)) == 0
    assert not list(tmp_path.iterdir())
