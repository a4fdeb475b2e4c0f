# SPDX-License-Identifier: Apache-2.0
"""The search from a pool of candidates to members a, b, c, one after another and on a local Ray cluster."""

import json
import socket
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from preprocess.spec import PATCH
from tests.training.resumable import MEMBER
from training import candidates, models, store
from training.architecture import VARIANTS
from training.candidates import CANDIDATES
from training.cluster import train_on_ray
from training.ensemble import search
from training.metrics import roc_auc
from training.presets import PRESETS
from training.search import Candidate
from training.studies import Studies
from training.train import Training, ensemble_scores
from vcf.cli import main
from vcf.contract import MEMBERS, PATCHES
from vcf.errors import SetupError

PRESET = replace(MEMBER, steps=2, evaluate_every=1, patches_per_step=4, lengths=(2,), anatomy_weight=0.0)
POOL = [
    Candidate("one", PRESET, 1),
    Candidate("two", PRESET, 2),
    Candidate("shallow", replace(PRESET, architecture=VARIANTS["shallow-lstm"]), 3),
    Candidate("max", replace(PRESET, architecture=VARIANTS["max"]), 4),
    Candidate("small", replace(PRESET, patch=replace(PATCH, grid=(16, 16, 16))), 5),
]


def served_studies(count: int, seed: int) -> Studies:
    """Two patches of the served size a study; a fracture is a bright second one."""
    rng = np.random.default_rng(seed)
    n = 2 * count
    label = np.zeros(n, np.uint8)
    label[1::4] = 1
    patches = rng.integers(0, 100, (n, *PATCH.grid), np.uint8) + 100 * label[:, None, None, None]
    return Studies(
        patches,
        np.tile([0.25, 0.75], count).astype(np.float32),
        label,
        np.ones(n, np.uint8),
        3 * label,
        np.full((n, PATCH.grid[0], 5), np.nan, np.float16),
        np.arange(0, n + 1, 2),
        np.array([f"s{i}" for i in range(count)]),
    )


class SmallTraining(Training):
    """On studies that are made at once."""

    def load_studies(self) -> tuple[Studies, Studies]:
        return served_studies(6, 0), self.load_tuning()

    def load_tuning(self) -> Studies:
        return served_studies(6, 1)


def training(out: Path) -> SmallTraining:
    return SmallTraining(replace(PRESETS["tiny"], member=PRESET), out)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("search")
    search(training(out), POOL)
    return out


@pytest.mark.slow
def test_the_best_three_that_can_be_served_become_the_members(searched: Path) -> None:
    found = json.loads((searched / "search.json").read_text())
    assert set(found["candidates"]) == {c.name for c in POOL}
    assert found["candidates"]["max"]["not_served_because"]
    assert found["candidates"]["small"]["not_served_because"]
    assert set(found["chosen"]["members"]) == {"one", "two", "shallow"}  # no others can be served
    assert found["best"][0]["tuning_auc"] >= found["chosen"]["tuning_auc"]
    manifest = store.read_manifest(searched)
    assert [manifest["members"][m]["candidate"] for m in MEMBERS] == found["chosen"]["members"]
    assert manifest["search"]["chosen"] == found["chosen"]
    networks = {member: store.load_member(member, searched) for member in MEMBERS}
    for member, name in zip(MEMBERS, found["chosen"]["members"], strict=True):
        encoder, head = candidates.load_networks(next(c for c in POOL if c.name == name), searched)
        for trained, served in ((encoder, networks[member][0]), (head, networks[member][1])):
            for one, other in zip(trained.get_weights(), served.get_weights(), strict=True):
                np.testing.assert_array_equal(one, other)
    scores, _ = ensemble_scores(searched, served_studies(6, 1))
    assert manifest["operating_point"]["tuning_auc"] == roc_auc(served_studies(6, 1).study_label, scores)


@pytest.mark.slow
def test_chosen_by_the_mean_over_flips(searched: Path) -> None:
    labels = served_studies(6, 1).study_label
    for candidate in POOL:
        result = json.loads((searched / CANDIDATES / candidate.name / "result.json").read_text())
        assert np.shape(result["scores"]) == (2, 6)
        assert result["auc"] == roc_auc(labels, np.mean(result["scores"], axis=0))


@pytest.mark.slow
def test_chosen_members_are_exported_whatever_their_encoder(searched: Path, tmp_path: Path) -> None:
    pytest.importorskip("tf2onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    store.save_detector(searched, models.canal_detector())
    assert main(["export", "onnx", "--weights", str(searched), "--out", str(tmp_path)]) == 0
    patches = np.random.default_rng(0).random((2, *PATCH.grid, 1), np.float32)
    for member in MEMBERS:
        encoder, _ = store.load_member(member, searched)
        session = onnxruntime.InferenceSession(tmp_path / encoder.name / "1" / "model.onnx")
        (found,) = session.run(None, {PATCHES.name: patches})
        np.testing.assert_allclose(found, np.asarray(encoder(patches)), rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_a_search_started_again_trains_nothing_twice(searched: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("trained again")

    before = (searched / "search.json").read_text()
    monkeypatch.setattr(candidates.member, "train", never)
    search(training(searched), POOL)
    assert (searched / "search.json").read_text() == before
    changed = [replace(POOL[0], preset=replace(PRESET, learning_rate=1e-4)), *POOL[1:]]
    with pytest.raises(AssertionError, match="trained again"):
        search(training(searched), changed)


@pytest.mark.slow
def test_two_ray_workers_train_the_same_candidates(searched: Path, tmp_path: Path) -> None:
    ray = pytest.importorskip("ray")
    finished: list[str] = []
    outcomes = train_on_ray(
        POOL[:3],
        tmp_path,
        *training(tmp_path).load_studies(),
        workers=2,
        done=lambda outcome: finished.append(outcome.candidate.name),
    )
    assert sorted(finished) == ["one", "shallow", "two"]
    assert not ray.is_initialized()
    assert [o.candidate.name for o in outcomes] == ["one", "two", "shallow"]
    for outcome in outcomes:
        alone = json.loads((searched / CANDIDATES / outcome.candidate.name / "result.json").read_text())
        np.testing.assert_allclose(outcome.scores, alone["scores"], rtol=5e-4)  # other threads, other sums


def test_an_absent_cluster_is_named_at_once(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(SetupError, match=f"no Ray cluster at 127.0.0.1:{port}"):
        train_on_ray(POOL, tmp_path, *training(tmp_path).load_studies(), address=f"127.0.0.1:{port}")


def test_refuses_pools_too_small(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="2 candidates: an ensemble has 3"):
        search(training(tmp_path), POOL[:2])
