# SPDX-License-Identifier: Apache-2.0
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from export import tensorrt
from vcf.contract import FEATURES, FLIPS, MAX_BATCH_PATCHES, NETWORKS
from vcf.errors import SetupError

BY_NAME = {m.name: m for m in NETWORKS}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for network in NETWORKS:
        path = tmp_path / network.name / "1" / "model.onnx"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"graph")
    return tmp_path


def test_profiles_reach_the_contracts_largest_batch() -> None:
    (encoder,) = tensorrt.profiles(BY_NAME["patch_encoder_a"]).values()
    assert encoder.most == (MAX_BATCH_PATCHES, 32, 32, 32, 1)
    (detector,) = tensorrt.profiles(BY_NAME["spinal_cord_detector"]).values()
    assert detector.most == (BY_NAME["spinal_cord_detector"].max_batch_size, 256, 256, 1)
    for profile in (encoder, detector):
        assert profile.least[0] == 1
        assert profile.least[0] < profile.best[0] < profile.most[0]


def test_head_profile_keeps_rows_and_patches_together() -> None:
    wanted = tensorrt.profiles(BY_NAME["sequence_head_b"])
    for which in ("least", "best", "most"):
        rows, location = (getattr(wanted[name], which) for name in ("features", "location"))
        assert rows == (len(FLIPS) * location[0], FEATURES)


def test_trtexec_lines(repository: Path) -> None:
    lines = tensorrt.trtexec_commands(repository)
    assert len(lines) == len(NETWORKS)
    assert "--optShapes=features:18x2048,location:9 " in lines[-1]
    assert all("--stronglyTyped" in line for line in lines)


def test_refuses_without_tensorrt(repository: Path) -> None:
    with pytest.raises(SetupError, match=r"no_such_tensorrt is not installed.*--trtexec"):
        list(tensorrt.build_plans(repository, module="no_such_tensorrt"))


def test_names_the_missing_graph(repository: Path) -> None:
    (repository / "patch_encoder_c" / "1" / "model.onnx").unlink()
    with pytest.raises(SetupError, match=r"no patch_encoder_c/1/model\.onnx"):
        tensorrt.trtexec_commands(repository)


class FakeTensorRT:
    """Records the calls that TensorRT's documented build needs, in their order; builds nothing."""

    NetworkDefinitionCreationFlag = SimpleNamespace(STRONGLY_TYPED=1)

    def __init__(self, *, parses: bool = True) -> None:
        self.parses, self.calls = parses, []

    def Logger(self, level: int) -> object:
        return object()

    Logger.WARNING = 1  # type: ignore[attr-defined]

    def Builder(self, logger: object) -> Any:
        calls = self.calls
        cache = SimpleNamespace(serialize=lambda: b"timings")
        config = SimpleNamespace(
            add_optimization_profile=lambda p: calls.append("profile"),
            create_timing_cache=lambda content: calls.append(("cache", content)) or cache,
            set_timing_cache=lambda c, ignore_mismatch: calls.append("set cache"),
            get_timing_cache=lambda: cache,
        )
        return SimpleNamespace(
            create_network=lambda flags: calls.append(("network", flags)) or "network",
            create_builder_config=lambda: config,
            create_optimization_profile=lambda: SimpleNamespace(set_shape=lambda *a: calls.append(("shape", *a))),
            build_serialized_network=lambda network, config: calls.append("build") or b"plan",
        )

    def OnnxParser(self, network: object, logger: object) -> Any:
        error = SimpleNamespace(desc=lambda: "unsupported operator")
        return SimpleNamespace(parse_from_file=lambda path: self.parses, num_errors=1, get_error=lambda i: error)


def test_builds_strongly_typed_plans_with_a_timing_cache(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeTensorRT()
    monkeypatch.setattr(tensorrt.importlib, "import_module", lambda name: fake)
    cache = repository / "timing.cache"
    plans = list(tensorrt.build_plans(repository, timing_cache=cache))
    assert [p.parent.parent.name for p in plans] == [m.name for m in NETWORKS]
    assert all(p.read_bytes() == b"plan" for p in plans)
    assert cache.read_bytes() == b"timings"
    assert fake.calls[0] == ("network", 2)
    caches = [c for c in fake.calls if c[0] == "cache"]
    assert caches == [("cache", b"")] + [("cache", b"timings")] * (len(NETWORKS) - 1)
    assert fake.calls.index("profile") < fake.calls.index("build")


def test_says_why_a_graph_was_not_parsed(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensorrt.importlib, "import_module", lambda name: FakeTensorRT(parses=False))
    with pytest.raises(SetupError, match="cannot parse spinal_cord_detector: unsupported operator"):
        list(tensorrt.build_plans(repository))
    assert not list(repository.rglob("*.plan"))
