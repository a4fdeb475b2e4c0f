# SPDX-License-Identifier: Apache-2.0
"""Plans that do not fit: refused, built anew or left for ONNX, as the operator chose."""

import importlib.util
import re
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from tests.export.fake_tensorrt import FakeTensorRT
from vcf_cli import main
from vcf_contract.contract import FEATURE_ROWS, NETWORKS
from vcf_contract.errors import SetupError
from vcf_export import tensorrt
from vcf_export.passport_writer import record, record_plan
from vcf_server import passport, repository
from vcf_server.passport import Gpu, Host
from vcf_server.stale import POLICIES, settle

ROOT = Path(__file__).resolve().parents[2]
A10, H200 = Host(Gpu("NVIDIA A10", "8.6"), "10.9.0", None), Host(Gpu("NVIDIA H200", "9.0"), "10.9.0", None)
NO_GPU = Host(None, None, None)


def build(models: Path, networks: Collection[str], host: Host) -> Iterator[Path]:
    return tensorrt.build_plans(models, only=networks, host=host)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """Every network with an ONNX file and a plan that was built on an A10."""
    for network in NETWORKS:
        folder = tmp_path / network.name
        (folder / "1").mkdir(parents=True)
        (folder / "config.pbtxt").write_text('backend: "tensorrt"\ndefault_model_filename: "model.plan"\n')
        (folder / "1" / "model.onnx").write_bytes(b"graph")
        record(folder / "1" / "model.onnx", shapes={FEATURE_ROWS.name: ["k", 2048]})
        (folder / "1" / "model.plan").write_bytes(b"plan")
        record_plan(folder / "1" / "model.plan", A10, "fp32", {})
    return tmp_path


@pytest.mark.parametrize("policy", POLICIES)
def test_plans_that_fit_are_served(models: Path, policy: str) -> None:
    assert settle(models, "gpu", policy, host=A10) == "gpu"


@pytest.mark.parametrize("policy", POLICIES)
def test_forms_without_plans_are_left_alone(models: Path, policy: str) -> None:
    assert settle(models, "cpu", policy, host=NO_GPU) == "cpu"


def test_refused_with_the_fix_and_the_choices(models: Path) -> None:
    with pytest.raises(
        SetupError,
        match=r"model\.plan was built on NVIDIA A10 .*, this machine has NVIDIA H200 .*: run `vcf export plan` on this "
        r"machine, or start with --on-stale-plan rebuild or onnx$",
    ):
        settle(models, "gpu", host=H200, build=build)
    with pytest.raises(SetupError, match=r"or start with the policy onnx$"):
        settle(models, "gpu", host=H200)


@pytest.mark.parametrize("host", [H200, NO_GPU])
def test_onnx_is_served_instead(models: Path, host: Host) -> None:
    said: list[str] = []
    assert settle(models, "gpu", "onnx", host=host, log=said.append) == "cpu"
    assert len(said) == 1 and said[0].endswith("serving the ONNX files instead, with the configuration 'cpu'")


def test_only_the_plans_at_fault_are_rebuilt(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensorrt.importlib, "import_module", lambda name: FakeTensorRT(plan=b"new"))
    retrained = models / "patch_encoder" / "1" / "model.onnx"
    retrained.write_bytes(b"other weights")
    said: list[str] = []
    assert settle(models, "gpu", "rebuild", host=A10, build=build, log=said.append) == "gpu"
    assert said == ["built patch_encoder/1/model.plan anew"]
    assert retrained.with_name("model.plan").read_bytes() == b"new"
    assert passport.problems(models, repository.network_files(models, "gpu"), host=A10) == {}


def test_nothing_is_rebuilt_without_a_gpu(models: Path) -> None:
    with pytest.raises(SetupError, match="needs an NVIDIA GPU and this machine shows none"):
        settle(models, "gpu", "rebuild", host=NO_GPU, build=build)


@pytest.mark.skipif(importlib.util.find_spec("tensorrt") is not None, reason="TensorRT is installed")
def test_rebuilding_without_tensorrt_says_so(models: Path) -> None:
    with pytest.raises(SetupError, match="tensorrt is not installed"):
        settle(models, "gpu", "rebuild", host=H200, build=build)


def test_vcf_serve_refuses_plans_on_a_machine_without_gpu(
    models: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert main(["serve", "--repository", str(models), "--config", "gpu"]) == 3
    assert "model.plan needs an NVIDIA GPU and this machine shows none" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("config", "edit", "sentence"),
    [
        (
            "cpu",
            "model.onnx",
            "patch_encoder/1/model.onnx is not the file that its passport describes: run `vcf export",
        ),
        ("cpu-int8", None, "patch_encoder/1/model.int8.xml: run `vcf export openvino --out /"),
    ],
)
def test_server_does_not_start_on_files_that_do_not_fit(
    tiny_repository: Path, tmp_path: Path, config: str, edit: str | None, sentence: str
) -> None:
    """Before anything is started: no process, no port."""
    if importlib.util.find_spec("pytriton") is None:
        pytest.skip("the Triton server is not installed (nvidia-pytriton)")
    from vcf_server.server import TritonServer

    there = tmp_path / "repository"
    shutil.copytree(tiny_repository, there, ignore=shutil.ignore_patterns("model.int8.*"))
    if edit:
        path = there / "patch_encoder" / "1" / edit
        record(path, precision="fp32")
        path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(SetupError, match=re.escape(sentence)):
        TritonServer(there, config_name=config).start()
