# SPDX-License-Identifier: Apache-2.0
"""Plans: what is asked of TensorRT, checked on a stand-in of its API; ``test_tensorrt_rtx.py`` asks a real one."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.export.fake_tensorrt import FakeTensorRT
from vcf_contract.contract import NETWORKS, PATCH_ENCODER
from vcf_contract.errors import SetupError
from vcf_export import tensorrt
from vcf_export.passport_writer import record
from vcf_export.profiles import profiles
from vcf_server import passport
from vcf_server.passport import SAME_CAPABILITY, Gpu, Host

BY_NAME = {m.name: m for m in NETWORKS}
FEATURES = 24
"""Of all members under all flips in the repositories of this test."""
HOST = Host(Gpu("NVIDIA A10", "8.6"), None, "12.8")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for network in NETWORKS:
        path = tmp_path / network.name / "1" / "model.onnx"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"graph")
    record(tmp_path / PATCH_ENCODER.name / "1" / "model.onnx", shapes={"features": ["batch", FEATURES]})
    return tmp_path


def test_trtexec_lines(repository: Path) -> None:
    lines = tensorrt.trtexec_commands(repository)
    assert len(lines) == len(NETWORKS)
    assert f"--optShapes=features:9x{FEATURES},location:9 " in lines[-1]
    assert all("--stronglyTyped --noTF32" in line for line in lines)
    cached = tensorrt.trtexec_commands(repository, timing_cache=Path("timings"))
    assert all(line.endswith(" --timingCacheFile=timings") for line in cached)
    assert not any("hardwareCompatibility" in line for line in lines)
    wide = tensorrt.trtexec_commands(repository, hardware_compatibility=SAME_CAPABILITY)
    assert all(line.endswith(" --hardwareCompatibilityLevel=sameComputeCapability") for line in wide)


def test_reduced_plans_take_the_reduced_encoder_and_nothing_else(repository: Path) -> None:
    with pytest.raises(SetupError, match=r"no patch_encoder/1/model\.fp16\.onnx .*`vcf export precision --to fp16`"):
        tensorrt.trtexec_commands(repository, precision="fp16")
    (repository / PATCH_ENCODER.name / "1" / "model.fp16.onnx").write_bytes(b"half")
    lines = tensorrt.trtexec_commands(repository, precision="fp16")
    assert sum("/model.fp16.onnx" in line for line in lines) == 1
    assert sum("/model.onnx" in line for line in lines) == len(NETWORKS) - 1
    with pytest.raises(ValueError, match="precision must be one of fp32, fp16, int8, found 'fp8'"):
        tensorrt.trtexec_commands(repository, precision="fp8")


def test_refuses_without_tensorrt(repository: Path) -> None:
    with pytest.raises(SetupError, match=r"no_such_tensorrt is not installed.*--trtexec"):
        list(tensorrt.build_plans(repository, module="no_such_tensorrt"))


def test_names_the_missing_graph(repository: Path) -> None:
    (repository / "sequence_head" / "1" / "model.onnx").unlink()
    with pytest.raises(SetupError, match=r"no sequence_head/1/model\.onnx"):
        tensorrt.trtexec_commands(repository)


def test_the_width_of_the_features_is_needed(repository: Path) -> None:
    """A graph without a passport does not say for how many members and flips a plan is."""
    assert tensorrt.feature_width(repository) == FEATURES
    (repository / PATCH_ENCODER.name / "1" / "passport.json").unlink()
    with pytest.raises(SetupError, match=r"no patch_encoder/1/model\.onnx with a passport .*`vcf export onnx`"):
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
    (plan,) = tensorrt.build_plans(repository, only=["patch_encoder"], host=HOST)
    assert plan == repository / "patch_encoder" / "1" / "model.plan"


def test_plans_of_trtexec_are_recorded_afterwards(repository: Path) -> None:
    with pytest.raises(SetupError, match=r"no spinal_cord_detector/1/model\.plan .*--trtexec"):
        tensorrt.record_plans(repository, host=HOST)
    for network in NETWORKS:
        plan = repository / network.name / "1" / "model.plan"
        plan.write_bytes(b"by trtexec")
    assert len(tensorrt.record_plans(repository, host=HOST)) == len(NETWORKS)
    assert passport.read(plan.parent)["model.plan"]["hardware_compatibility"] == "none"
    tensorrt.record_plans(repository, host=HOST, hardware_compatibility=SAME_CAPABILITY)
    assert passport.read(plan.parent)["model.plan"]["hardware_compatibility"] == SAME_CAPABILITY


def test_plans_for_a_generation_need_a_tensorrt_that_knows_them(repository: Path) -> None:
    fake = FakeTensorRT()
    onnx = repository / "patch_encoder" / "1" / "model.onnx"
    wanted = profiles(PATCH_ENCODER, FEATURES)
    with pytest.raises(SetupError, match="knows no plans for sameComputeCapability"):
        tensorrt.build(fake, onnx, wanted, hardware_compatibility=SAME_CAPABILITY)
    fake.HardwareCompatibilityLevel = SimpleNamespace(SAME_COMPUTE_CAPABILITY=2)
    assert tensorrt.build(fake, onnx, wanted, hardware_compatibility=SAME_CAPABILITY) == b"plan"
    assert ("hardware compatibility", 2) in fake.calls


def test_another_gpus_engine_is_asked_for_by_its_capability(repository: Path) -> None:
    fake = FakeTensorRT()
    onnx = repository / "patch_encoder" / "1" / "model.onnx"
    assert tensorrt.build(fake, onnx, profiles(PATCH_ENCODER, FEATURES), compute_capability="SM86") == b"plan"
    assert ("capability", 86, 0) in fake.calls


def test_without_a_strongly_typed_flag_none_is_set(repository: Path) -> None:
    fake = FakeTensorRT(old=True)
    tensorrt.build(fake, repository / "patch_encoder" / "1" / "model.onnx", profiles(PATCH_ENCODER, FEATURES))
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
    with pytest.raises(SetupError, match=r"built no plan of patch_encoder/1/model\.onnx"):
        tensorrt.build(
            FakeTensorRT(plan=None), repository / "patch_encoder/1/model.onnx", profiles(PATCH_ENCODER, FEATURES)
        )


def test_names_operators_that_the_parser_does_not_know() -> None:
    assert tensorrt.unsupported(FakeTensorRT(), ["Conv", "Unique", "LSTM", "Bernoulli"]) == ["Bernoulli", "Unique"]
