# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from tests.training.resumable import small_images
from vcf_contract.errors import SetupError
from vcf_training import checkpoint
from vcf_training.checkpoint import Checkpoint

SETTINGS = {"preset": {"steps": 3, "lengths": (1, 2)}, "seed": 1}


def test_gives_back_state_and_arrays_bit_by_bit(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=(3, 2)).astype(np.float32), np.array(7, np.int64)]
    state = {"random": rng.bit_generator.state, "losses": [0.1, 1 / 3], "step": 3}
    kept = Checkpoint(tmp_path / "new" / "a.npz", SETTINGS)
    assert kept.load() is None
    kept.save(state, {"weights": weights, "best": []})
    found, arrays = kept.load() or pytest.fail("nothing kept")
    assert found == state
    for one, other in zip(weights, arrays["weights"], strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    again = np.random.default_rng(5)
    again.bit_generator.state = found["random"]
    assert again.random() == rng.random()
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["a.npz"]
    kept.remove()
    assert kept.load() is None


def test_refuses_another_trainings_state_and_says_where_they_differ(tmp_path: Path) -> None:
    Checkpoint(tmp_path / "a.npz", SETTINGS).save({}, {})
    other = SETTINGS | {"preset": {"steps": 4, "lengths": (1, 2)}}
    with pytest.raises(SetupError, match=r"preset\.steps is 3 there and 4 here"):
        Checkpoint(tmp_path / "a.npz", other).load()


def test_refuses_a_damaged_file(tmp_path: Path) -> None:
    kept = Checkpoint(tmp_path / "a.npz", SETTINGS)
    kept.save({}, {"weights": [np.zeros(100)]})
    kept.path.write_bytes(kept.path.read_bytes()[:300])
    with pytest.raises(SetupError, match="cannot be read"):
        kept.load()


def test_a_kill_while_writing_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Checkpoint(tmp_path / "a.npz", SETTINGS)
    kept.save({"step": 1}, {})

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint.os, "fsync", stopped)
    with pytest.raises(KeyboardInterrupt):
        kept.save({"step": 2}, {})
    found, _ = kept.load() or pytest.fail("nothing kept")
    assert found == {"step": 1}


def test_digest_changes_with_any_voxel_and_any_name() -> None:
    data = small_images(3, 0)
    images = data.images.copy()
    images[1, 5, 6] += 1
    group = data.group.copy()
    group[2] = "other"
    all_of_them = [data, replace(data, images=images), replace(data, group=group)]
    assert len({checkpoint.digest(d) for d in all_of_them}) == 3
    assert checkpoint.digest(data) == checkpoint.digest(replace(data, images=data.images.copy()))
    assert checkpoint.digest(data) != checkpoint.digest(data, data)
