# SPDX-License-Identifier: Apache-2.0
"""Plans: what is asked of TensorRT, checked on a stand-in of its API; ``test_tensorrt_rtx.py`` asks a real one."""

import json
from pathlib import Path

import pytest

from export import tensorrt
from export.profiles import profiles
from tests.export.fake_tensorrt import FakeTensorRT
from vcf.contract import ENCODERS, FEATURES, FLIPS, MAX_BATCH_PATCHES, NETWORKS
from vcf.errors import SetupError
from vcf.serve.passport import Gpu, Host

BY_NAME = {m.name: m for m in NETWORKS}
HOST = Host(Gpu("NVIDIA A10", "8.6"), None, "12.8")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for network in NETWORKS:
        path = tmp_path / network.name / "1" / "model.onnx"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"graph")
    return tmp_path


def test_profiles_reach_the_contracts_largest_batch() -> None:
    (encoder,) = profiles(BY_NAME["patch_encoder_a"]).values()
    assert encoder.most == (MAX_BATCH_PATCHES, 32, 32, 32, 1)
    (detector,) = profiles(BY_NAME["spinal_cord_detector"]).values()
    assert detector.most == (BY_NAME["spinal_cord_detector"].max_batch_size, 256, 256, 1)
    for profile in (encoder, detector):
        assert profile.least[0] == 1
        assert profile.least[0] < profile.best[0] < profile.most[0]


def test_head_profile_keeps_rows_and_patches_together() -> None:
    wanted = profiles(BY_NAME["sequence_head_b"])
    for which in ("least", "best", "most"):
        rows, location = (getattr(wanted[name], which) for name in ("features", "location"))
        assert rows == (len(FLIPS) * location[0], FEATURES)


def test_trtexec_lines(repository: Path) -> None:
    lines = tensorrt.trtexec_commands(repository)
    assert len(lines) == len(NETWORKS)
    assert "--optShapes=features:18x2048,location:9 " in lines[-1]
    assert all("--stronglyTyped --noTF32" in line for line in lines)
    cached = tensorrt.trtexec_commands(repository, timing_cache=Path("timings"))
    assert all(line.endswith(" --timingCacheFile=timings") for line in cached)


def test_reduced_plans_take_reduced_encoders_and_nothing_else(repository: Path) -> None:
    with pytest.raises(SetupError, match=r"no patch_encoder_a/1/model\.fp16\.onnx .*`vcf export precision --to fp16`"):
        tensorrt.trtexec_commands(repository, precision="fp16")
    for encoder in ENCODERS:
        (repository / encoder.name / "1" / "model.fp16.onnx").write_bytes(b"half")
    lines = tensorrt.trtexec_commands(repository, precision="fp16")
    assert sum("/model.fp16.onnx" in line for line in lines) == len(ENCODERS)
    assert sum("/model.onnx" in line for line in lines) == len(NETWORKS) - len(ENCODERS)
    with pytest.raises(ValueError, match="precision must be one of fp32, fp16, int8, found 'fp8'"):
        tensorrt.trtexec_commands(repository, precision="fp8")


def test_refuses_without_tensorrt(repository: Path) -> None:
    with pytest.raises(SetupError, match=r"no_such_tensorrt is not installed.*--trtexec"):
        list(tensorrt.build_plans(repository, module="no_such_tensorrt"))


def test_names_the_missing_graph(repository: Path) -> None:
    (repository / "patch_encoder_c" / "1" / "model.onnx").unlink()
    with pytest.raises(SetupError, match=r"no patch_encoder_c/1/model\.onnx"):
        tensorrt.trtexec_commands(repository)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeTensorRT:
    """What ``import tensorrt`` finds."""
    fake = FakeTensorRT()
    monkeypatch.setattr(tensorrt.importlib, "import_module", lambda name: fake)
    return fake


def test_builds_strongly_typed_plans_with_a_timing_cache(repository: Path, fake: FakeTensorRT) -> None:
    cache = repository / "timing.cache"
    plans = list(tensorrt.build_plans(repository, timing_cache=cache, host=HOST))
    assert [p.parent.parent.name for p in plans] == [m.name for m in NETWORKS]
    assert all(p.read_bytes() == b"plan" for p in plans)
    assert cache.read_bytes() == b"timings"
    assert fake.calls[0] == ("network", 2)
    assert fake.calls.count(("clear", "TF32")) == len(NETWORKS)
    caches = [c for c in fake.calls if c[0] == "cache"]
    assert caches == [("cache", b"")] + [("cache", b"timings")] * (len(NETWORKS) - 1)
    assert ("set cache", False) in fake.calls
    assert fake.calls.index("profile") < fake.calls.index("build")
    assert not any(call[0] == "capability" for call in fake.calls)


def test_every_plan_gets_a_passport(repository: Path, fake: FakeTensorRT) -> None:
    for plan in tensorrt.build_plans(repository, host=HOST):
        entry = json.loads(plan.with_name("passport.json").read_text())["files"]["model.plan"]
        assert (entry["gpu"], entry["tensorrt"], entry["cuda"]) == ("NVIDIA A10", fake.__version__, "12.8")
        assert entry["profiles"].keys() == {tensor.name for tensor in BY_NAME[plan.parents[1].name].inputs}


def test_builds_only_what_is_asked_for(repository: Path, fake: FakeTensorRT) -> None:
    (plan,) = tensorrt.build_plans(repository, only=["patch_encoder_b"], host=HOST)
    assert plan == repository / "patch_encoder_b" / "1" / "model.plan"


def test_plans_of_trtexec_are_recorded_afterwards(repository: Path) -> None:
    with pytest.raises(SetupError, match=r"no spinal_cord_detector/1/model\.plan .*--trtexec"):
        tensorrt.record_plans(repository, host=HOST)
    for network in NETWORKS:
        (repository / network.name / "1" / "model.plan").write_bytes(b"by trtexec")
    assert len(tensorrt.record_plans(repository, host=HOST)) == len(NETWORKS)


def test_another_gpus_engine_is_asked_for_by_its_capability(repository: Path) -> None:
    fake = FakeTensorRT()
    onnx = repository / "patch_encoder_a" / "1" / "model.onnx"
    assert tensorrt.build(fake, onnx, profiles(ENCODERS[0]), compute_capability="SM86") == b"plan"
    assert ("capability", 86, 0) in fake.calls


def test_without_a_strongly_typed_flag_none_is_set(repository: Path) -> None:
    fake = FakeTensorRT(old=True)
    tensorrt.build(fake, repository / "patch_encoder_a" / "1" / "model.onnx", profiles(ENCODERS[0]))
    assert fake.calls[0] == ("network", 0)


@pytest.mark.parametrize(("old", "reason"), [(False, "operator Unique: no converter for it"), (True, "no converter")])
def test_says_which_operator_was_not_parsed(
    repository: Path, monkeypatch: pytest.MonkeyPatch, old: bool, reason: str
) -> None:
    monkeypatch.setattr(tensorrt.importlib, "import_module", lambda name: FakeTensorRT(fails_at="Unique", old=old))
    with pytest.raises(SetupError, match=rf"cannot parse spinal_cord_detector/1/model\.onnx: {reason}"):
        list(tensorrt.build_plans(repository, host=HOST))
    assert not list(repository.rglob("*.plan"))


def test_says_when_nothing_was_built(repository: Path) -> None:
    with pytest.raises(SetupError, match=r"built no plan of patch_encoder_a/1/model\.onnx"):
        tensorrt.build(FakeTensorRT(plan=None), repository / "patch_encoder_a/1/model.onnx", profiles(ENCODERS[0]))


def test_names_operators_that_the_parser_does_not_know() -> None:
    assert tensorrt.unsupported(FakeTensorRT(), ["Conv", "Unique", "LSTM", "Bernoulli"]) == ["Bernoulli", "Unique"]
