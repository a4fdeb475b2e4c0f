# SPDX-License-Identifier: Apache-2.0
"""The search from a pool of candidates to members a, b, …, which are exported and served, whatever they are."""

import json
import shutil
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow")
pytest.importorskip("tf2onnx")
pytest.importorskip("openvino")

from tests.training.resumable import MEMBER
from tests.training.served_studies import served_studies
from vcf_cli import main
from vcf_contract.contract import FRACTURE_FINDINGS, PATCH_ENCODER, SEQUENCE_HEAD, Model
from vcf_contract.errors import SetupError
from vcf_contract.spec import PATCH
from vcf_export import runtimes
from vcf_export.config import CPU, ONNXRUNTIME
from vcf_export.parity import FP32_TOLERANCE
from vcf_export.python_models import copy_python_models
from vcf_preprocess.aggregate import AGGREGATIONS, Aggregation, study_scores
from vcf_server.ports import free_port
from vcf_training import candidates, store
from vcf_training.architecture import VARIANTS
from vcf_training.candidates import CANDIDATES
from vcf_training.cluster import train_on_ray
from vcf_training.ensemble import search
from vcf_training.metrics import roc_auc
from vcf_training.phantom import render, sample
from vcf_training.presets import PRESETS
from vcf_training.ranking import answers
from vcf_training.reference import analyze, classify
from vcf_training.search import Candidate
from vcf_training.served import Member
from vcf_training.studies import Studies
from vcf_training.train import Training, ensemble_answers

BONE = replace(PATCH, window_centre_hu=420.0, window_width_hu=640.0)
PRESET = replace(MEMBER, steps=2, evaluate_every=1, patches_per_step=4, lengths=(2,), anatomy_weight=0.0)
POOL = [
    Candidate("one", PRESET, 1),
    Candidate("two", PRESET, 2),
    Candidate("shallow", replace(PRESET, architecture=VARIANTS["shallow-lstm"]), 3),
    Candidate("max", replace(PRESET, architecture=VARIANTS["max"]), 4),
    Candidate("small", replace(PRESET, patch=replace(PATCH, grid=(16, 16, 16))), 5),
    Candidate("learned", replace(PRESET, architecture=VARIANTS["bilstm-aggregation"], patch=BONE), 6),
]
TUNING = 12
"""Studies that candidates and ensembles are judged by."""
BY_NAME = {candidate.name: candidate for candidate in POOL}
SIZES = (2, 3)


class SmallTraining(Training):
    """On studies that are made at once."""

    def load_studies(self) -> tuple[Studies, Studies]:
        return served_studies(6, 0), self.load_tuning()

    def load_tuning(self) -> Studies:
        return served_studies(TUNING, 1)


@dataclass(frozen=True)
class Exported:
    """Weights that a search has left, and the repository that was made of them."""

    weights: Path
    repository: Path


def training(out: Path) -> SmallTraining:
    return SmallTraining(replace(PRESETS["tiny"], member=PRESET), out)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("search")
    store.save_detector(out, store.load_detector())
    search(training(out), POOL, sizes=SIZES)
    return out


@pytest.mark.slow
def test_the_best_ensemble_of_all_becomes_the_members(searched: Path) -> None:
    found = json.loads((searched / "search.json").read_text())
    assert set(found["candidates"]) == set(BY_NAME)
    assert found["chosen"] == found["best"][0]
    assert len(found["chosen"]["members"]) in SIZES
    manifest, names = store.read_manifest(searched), store.member_names(searched)
    assert [manifest["members"][name]["candidate"] for name in names] == found["chosen"]["members"]
    assert manifest["search"]["chosen"] == found["chosen"]
    for name, candidate in zip(names, found["chosen"]["members"], strict=True):
        encoder, head = candidates.load_networks(BY_NAME[candidate], searched)
        member = store.load_member(name, searched)
        assert (member.architecture, member.patch) == (
            BY_NAME[candidate].preset.architecture,
            BY_NAME[candidate].preset.patch,
        )
        for trained, served in ((encoder, member.encoder), (head, member.head)):
            for one, other in zip(trained.get_weights(), served.get_weights(), strict=True):
                np.testing.assert_array_equal(one, other)
    point = manifest["operating_point"]
    assert point["tuning_auc"] == pytest.approx(found["chosen"]["tuning_auc"], abs=1e-12)
    assert store.aggregation(searched) == Aggregation.of(found["chosen"]["aggregation"])
    labels = served_studies(TUNING, 1).study_label
    scores = ensemble_answers(searched, served_studies(TUNING, 1)).scores(store.aggregation(searched))
    assert point["tuning_auc"] == roc_auc(labels, scores)


@pytest.mark.slow
def test_a_candidate_is_judged_as_if_it_were_served_alone(searched: Path) -> None:
    """By what its trained networks say of the patches that a server has."""
    tuning = served_studies(TUNING, 1)
    for candidate in POOL:
        result = json.loads((searched / CANDIDATES / candidate.name / "result.json").read_text())
        alone = Member(
            "a",
            candidate.preset.architecture,
            candidate.preset.patch,
            *candidates.load_networks(candidate, searched),
        )
        given = answers([alone], tuning)
        np.testing.assert_allclose(result["patch_probability"], given.patch_probability, atol=1e-6)
        np.testing.assert_allclose(result["study_probability"], given.study_probability, atol=1e-6)
        areas = [roc_auc(tuning.study_label, given.scores(aggregation)) for aggregation in AGGREGATIONS]
        assert result["auc"] == max(areas) == roc_auc(tuning.study_label, result["scores"])


@pytest.fixture(scope="module", params=["the best", "of several sizes, windows and sequences", "one alone"])
def exported(request: pytest.FixtureRequest, searched: Path, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """The best ensemble, whatever it is, and two others, as if they had been: a repository of each."""
    folder = tmp_path_factory.mktemp("exported")
    if request.param == "the best":
        weights = searched
    else:
        weights = folder / "weights"
        wanted = ("small", "learned", "two") if "several" in request.param else ("learned",)
        shutil.copytree(searched / CANDIDATES, weights / CANDIDATES)
        store.save_detector(weights, store.load_detector())
        search(training(weights), [BY_NAME[name] for name in wanted], sizes=(len(wanted),))
    repository = folder / "repository"
    copy_python_models(repository)
    for kind in ("onnx", "config"):
        command = ["export", kind, *(["--weights", str(weights)] if kind == "onnx" else [])]
        assert main([*command, "--out", str(repository)]) == 0
    return Exported(weights, repository)


@pytest.mark.slow
def test_ranked_by_what_is_exported(exported: Exported) -> None:
    """The area in ``search.json`` is that of the scores that the repository's own files give."""
    chosen = json.loads((exported.weights / "search.json").read_text())["chosen"]
    tuning = served_studies(TUNING, 1)
    for form in (CPU, ONNXRUNTIME):
        networks = runtimes.load(exported.repository, form)
        assert networks.aggregation == Aggregation.of(chosen["aggregation"])
        scores = [
            study_scores(
                *classify(networks, tuning.patches[own][..., None] / np.float32(255), tuning.location[own]),
                networks.aggregation,
            ).study_score
            for own in map(tuning.rows, range(len(tuning)))
        ]
        assert roc_auc(tuning.study_label, scores) == pytest.approx(chosen["tuning_auc"], abs=1e-6)


@pytest.mark.slow
@pytest.mark.server
@pytest.mark.skipif(find_spec("pytriton") is None, reason="the Triton server is not installed (nvidia-pytriton)")
def test_ranked_by_what_is_served(exported: Exported) -> None:
    """And that of the scores that the real server gives; a whole study is answered as Keras answers it."""
    import tritonclient.grpc as grpc_client

    from vcf_client import VcfClient
    from vcf_client.study import Study
    from vcf_server.server import TritonServer

    chosen = json.loads((exported.weights / "search.json").read_text())["chosen"]
    tuning = served_studies(TUNING, 1)

    def ask(client: Any, model: Model, *given: np.ndarray) -> list[np.ndarray]:
        inputs = []
        for tensor, array in zip(model.inputs, given, strict=True):
            inputs.append(grpc_client.InferInput(tensor.name, list(array.shape), tensor.dtype))
            inputs[-1].set_data_from_numpy(array)
        answer = client.infer(model.name, inputs)
        return [answer.as_numpy(tensor.name) for tensor in model.outputs]

    scores = []
    with TritonServer(exported.repository) as server:
        with grpc_client.InferenceServerClient(server.grpc_url) as client:
            for own in map(tuning.rows, range(len(tuning))):
                patches = tuning.patches[own][..., None].astype(np.float32) / 255
                (features,) = ask(client, PATCH_ENCODER, patches)
                said = ask(client, SEQUENCE_HEAD, features, tuning.location[own])
                score, *_ = ask(client, FRACTURE_FINDINGS, *said, np.zeros(4, np.int64))
                scores.append(float(score[0]))
        volume = render(sample(910_001, fracture_probability=1.0), spacing_mm=(3.0, 1.5, 1.5), region="body").volume
        with VcfClient(server.grpc_url) as client:
            findings = client.analyze(Study(volume, "phantom"))
    assert roc_auc(tuning.study_label, scores) == pytest.approx(chosen["tuning_auc"], abs=1e-6)
    expected = analyze(volume, store.load_networks(exported.weights))
    assert findings.study_score == pytest.approx(expected.study_score, abs=FP32_TOLERANCE)
    np.testing.assert_allclose([p.score for p in findings.patches], expected.patch_scores, atol=FP32_TOLERANCE)
    assert findings.threshold == pytest.approx(store.read_manifest(exported.weights)["operating_point"]["threshold"])


@pytest.mark.slow
def test_a_search_started_again_trains_nothing_twice(searched: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("trained again")

    before = (searched / "search.json").read_text()
    monkeypatch.setattr(candidates.member, "train", never)
    search(training(searched), POOL, sizes=SIZES)
    assert (searched / "search.json").read_text() == before
    changed = [replace(POOL[0], preset=replace(PRESET, learning_rate=1e-4)), *POOL[1:]]
    with pytest.raises(AssertionError, match="trained again"):
        search(training(searched), changed, sizes=SIZES)


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
        given = outcome.answers.patch_probability
        np.testing.assert_allclose(given, alone["patch_probability"], rtol=5e-4)  # other threads, other sums


def test_an_absent_cluster_is_named_at_once(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    port = free_port()
    with pytest.raises(SetupError, match=f"no Ray cluster at 127.0.0.1:{port}"):
        train_on_ray(POOL, tmp_path, *training(tmp_path).load_studies(), address=f"127.0.0.1:{port}")


def test_refuses_pools_too_small(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="2 candidates: too few for an ensemble of 3 members"):
        search(training(tmp_path), POOL[:2])
