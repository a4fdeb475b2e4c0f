# SPDX-License-Identifier: Apache-2.0
"""One tiny training of everything, through the command line, to the files that a server loads."""

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")
pytest.importorskip("tf2onnx")

from vcf_cli import main
from vcf_contract.contract import NETWORKS
from vcf_preprocess.aggregate import AGGREGATIONS, Aggregation, study_scores
from vcf_training import member, store, train
from vcf_training.checkpoint import as_json
from vcf_training.metrics import roc_auc
from vcf_training.presets import PRESETS
from vcf_training.reference import classify
from vcf_training.studies import Studies

MEMBERS = ("a", "b", "c")
"""Of a training that is not told otherwise."""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("training")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VCF_CACHE", str(folder / "cache"))
        patch.setattr(train, "load_canal_slices", lambda *_: [])  # no download
        patch.setattr(train, "load_warped", lambda *_, **__: None)
        assert main(["train", "all", "--preset", "tiny", "--out", str(folder / "w"), "--test", "2"]) == 0
    return folder


@pytest.mark.slow
def test_writes_weights_and_an_honest_manifest(trained: Path) -> None:
    manifest = store.read_manifest(trained / "w")
    parts = [name for m in MEMBERS for name in (store.encoder_name(m), store.head_name(m))]
    assert set(manifest["files"]) == {f"{name}.weights.h5" for name in (store.DETECTOR_NAME, *parts)}
    for name, digest in manifest["files"].items():
        assert store.sha256((trained / "w" / name).read_bytes()) == digest
    assert set(manifest["members"]) == set(MEMBERS)
    assert len({manifest["members"][m]["seed"] for m in MEMBERS}) == len(MEMBERS)
    assert "synthetic" in manifest["detector"]["figures"]
    assert "synthetic" in manifest["test"]
    point = manifest["operating_point"]
    assert 0 <= point["threshold"] <= 1
    assert Aggregation.of(point["aggregation"]) in AGGREGATIONS


@pytest.mark.slow
def test_manifest_holds_the_whole_configuration(trained: Path) -> None:
    manifest, preset = store.read_manifest(trained / "w"), PRESETS["tiny"]
    assert manifest["detector"]["settings"] == as_json(asdict(preset.detector))
    for entry in (manifest["detector"], *manifest["members"].values()):
        assert entry["preset"] == "tiny"
        assert len(entry["data"]) == 16
    for entry in manifest["members"].values():
        assert entry["settings"] == as_json(asdict(preset.member))
    assert not list((trained / "w").rglob("*.npz"))  # finished: nothing to go on with
    assert len(list((trained / "w" / train.LOGS).iterdir())) == 1 + len(MEMBERS)


@pytest.mark.slow
def test_the_same_command_again_trains_nothing(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("trained again")

    before = store.read_manifest(trained / "w")
    monkeypatch.setenv("VCF_CACHE", str(trained / "cache"))
    monkeypatch.setattr(train, "load_canal_slices", lambda *_: [])
    monkeypatch.setattr(train, "load_warped", lambda *_, **__: None)
    monkeypatch.setattr(member, "train", never)
    monkeypatch.setattr(train.detector, "train", never)
    command = ["train", "all", "--preset", "tiny", "--out", str(trained / "w")]
    assert main(command) == 0
    assert store.read_manifest(trained / "w") == before
    for changed in (["--seed", "1"], ["--fresh"], ["--steps", "1"]):
        with pytest.raises(AssertionError, match="trained again"):
            main([*command, "--workers", "1", *changed])  # where the patched function is seen


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["all", "--variant", "lstm"], "belongs to `vcf train member`"),
        (["member", "--variant", "gru"], "--variant gru: one of lstm, max"),
        (["search", "--steps", "0"], "--steps 0: at least 1"),
        (["member", "--workers", "0"], "--workers 0: at least 1"),
    ],
)
def test_unusable_options_are_named(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *options, "--preset", "tiny", "--out", str(tmp_path)]) == 64
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_export_command_writes_what_the_server_loads(trained: Path, tmp_path: Path) -> None:
    assert main(["export", "onnx", "--weights", str(trained / "w"), "--out", str(tmp_path)]) == 0
    point = json.loads((tmp_path / "fracture_findings" / "1" / "operating_point.json").read_text())
    fixed = store.read_manifest(trained / "w")["operating_point"]
    assert (point["threshold"], point["aggregation"]) == (fixed["threshold"], fixed["aggregation"])
    assert all((tmp_path / m.name / "1" / "model.onnx").is_file() for m in NETWORKS)


@pytest.mark.slow
def test_scores_of_stored_studies_are_those_of_the_reference(trained: Path) -> None:
    """Those that threshold and test figures come from, against study by study with the networks that are exported."""
    (path,) = list((trained / "cache" / "training").glob("*.npz"))[:1]
    studies = Studies.load(path)
    networks = store.load_networks(trained / "w")
    given = train.ensemble_answers(trained / "w", studies)
    for aggregation in AGGREGATIONS:
        scores = given.scores(aggregation)
        for i in range(len(studies)):
            rows = studies.rows(i)
            patches = studies.patches[rows].astype(np.float32)[..., None] / 255
            expected = study_scores(*classify(networks, patches, studies.location[rows]), aggregation)
            assert scores[i] == pytest.approx(expected.study_score, abs=1e-5)


@pytest.mark.slow
def test_an_overlap_is_tuned_with_and_kept_for_the_server(trained: Path, tmp_path: Path) -> None:
    """The patches that the threshold is fixed on are those that a server with this manifest makes."""
    weights = tmp_path / "w"
    shutil.copytree(trained / "w", weights)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VCF_CACHE", str(tmp_path / "cache"))
        arguments = ["--preset", "tiny", "--overlap", "0.5", "--out", str(weights)]
        assert main(["train", "threshold", *arguments]) == 0
    (path,) = (tmp_path / "cache" / "training").glob("studies-*.npz")
    tuning, aggregation = Studies.load(path), store.aggregation(weights)
    assert aggregation.overlap == 0.5 != store.aggregation(trained / "w").overlap
    assert max(np.diff(tuning.location[tuning.rows(i)]).max() for i in range(len(tuning))) < 0.5
    scores = train.ensemble_answers(weights, tuning).scores(aggregation)
    assert store.read_manifest(weights)["operating_point"]["tuning_auc"] == roc_auc(tuning.study_label, scores)


@pytest.mark.parametrize("overlap", [0.0, 0.5])
def test_what_trains_is_cut_in_two_ways_and_what_tunes_as_it_is_served(overlap: float, tmp_path: Path) -> None:
    tiny = PRESETS["tiny"]
    training = train.Training(replace(tiny, member=replace(tiny.member, overlap=overlap)), tmp_path)
    assert training.crop("train").overlaps == tuple(sorted({0.0, overlap}))
    assert training.crop("tune").overlaps == (overlap,)


def test_missing_weights_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "manifest.json").write_text('{"operating_point": {"threshold": 0.5}}')
    assert main(["export", "onnx", "--weights", str(tmp_path), "--out", str(tmp_path / "r")]) == 1
    assert "no weights" in capsys.readouterr().err


def test_missing_operating_point_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "onnx", "--weights", str(tmp_path), "--out", str(tmp_path / "r")]) == 1
    assert "no operating point" in capsys.readouterr().err
