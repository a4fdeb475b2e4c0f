# SPDX-License-Identifier: Apache-2.0
"""Passports: written by the export, refused by the server in one sentence that names the fix."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from vcf_contract.contract import PATCH_ENCODER
from vcf_contract.errors import SetupError
from vcf_export import passport_writer as written
from vcf_server import passport
from vcf_server.passport import Gpu, Host

NETWORK = PATCH_ENCODER.name
A10, L4 = Gpu("NVIDIA A10", "8.6"), Gpu("NVIDIA L4", "8.9")
HERE = Host(A10, "10.9.0.34", "12.8")
SHAPES = {"patches": {"least": [1], "best": [18], "most": [128]}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One network's version with an ONNX file and a plan, both with passports."""
    folder = tmp_path / NETWORK / "1"
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"graph")
    (folder / "model.plan").write_bytes(b"plan")
    written.record(folder / "model.onnx", precision="fp32", weights_sha256="w" * 64)
    written.record_plan(folder / "model.plan", HERE, "fp32", SHAPES)
    return folder


def sentence(folder: Path, file_name: str = "model.plan", host: Host = HERE) -> str | None:
    return passport.problem(folder, file_name, host)


def test_says_what_a_plan_is_made_of_and_where_it_runs(folder: Path) -> None:
    entry = passport.read(folder)["model.plan"]
    assert entry == {
        "sha256": hashlib.sha256(b"plan").hexdigest(),
        "onnx_sha256": hashlib.sha256(b"graph").hexdigest(),
        "weights_sha256": "w" * 64,
        "precision": "fp32",
        "profiles": SHAPES,
        "gpu": "NVIDIA A10",
        "compute_capability": "8.6",
        "hardware_compatibility": "none",
        "tensorrt": "10.9.0.34",
        "cuda": "12.8",
    }


def test_a_plan_at_home_is_served(folder: Path) -> None:
    assert sentence(folder) is None
    assert sentence(folder, "model.onnx") is None
    passport.check(folder.parents[1], {NETWORK: "model.plan"}, host=HERE)


def test_a_plan_for_a_generation_serves_every_model_of_it(folder: Path) -> None:
    """H100 SXM and H100 PCIe are two names and one compute capability."""
    sxm, pcie = Gpu("NVIDIA H100 80GB HBM3", "9.0"), Gpu("NVIDIA H100 PCIe", "9.0")
    plan = folder / "model.plan"
    written.record_plan(plan, Host(sxm, "10.9.0.34", None), "fp32", SHAPES, passport.SAME_CAPABILITY)
    assert sentence(folder, host=Host(pcie, "10.9.0.34", None)) is None
    other = sentence(folder, host=HERE)
    assert other and "serves compute capability 9.0" in other and "NVIDIA A10" in other
    written.record_plan(plan, Host(sxm, "10.9.0.34", None), "fp32", SHAPES)
    narrow = sentence(folder, host=Host(pcie, "10.9.0.34", None))
    assert narrow and narrow.endswith("with --hardware-compatibility sameComputeCapability to serve both")


def test_build_number_of_tensorrt_may_differ(folder: Path) -> None:
    assert sentence(folder, host=Host(A10, "10.9.0.99", None)) is None


@pytest.mark.parametrize(
    ("host", "words"),
    [
        (Host(L4, "10.9.0.34", None), ("built on NVIDIA A10 (compute capability 8.6), this machine has NVIDIA L4",)),
        (Host(Gpu("NVIDIA A10G", "8.6"), "10.9.0.34", None), ("built on NVIDIA A10 (", "has NVIDIA A10G (")),
        (Host(A10, "10.10.0.1", None), ("built by TensorRT 10.9.0.34, this is TensorRT 10.10.0.1",)),
    ],
)
def test_foreign_plan(folder: Path, host: Host, words: tuple[str, ...]) -> None:
    found = sentence(folder, host=host)
    assert found is not None and all(word in found for word in words)
    assert "run `vcf export plan` on this machine" in found
    with pytest.raises(SetupError, match=r"this machine has|this is TensorRT"):
        passport.check(folder.parents[1], {NETWORK: "model.plan"}, host=host)


def test_no_gpu(folder: Path) -> None:
    found = sentence(folder, host=Host(None, None, None)) or ""
    assert found.startswith(f"{NETWORK}/1/model.plan needs an NVIDIA GPU and this machine shows none: ")
    assert "--config cpu" in found


def test_other_weights_than_the_plans(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"retrained")
    written.record(folder / "model.onnx", precision="fp32", weights_sha256="v" * 64)
    assert "was made from other weights than those of the model.onnx beside it" in (sentence(folder) or "")


def test_stale_onnx(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"edited")
    assert sentence(folder, "model.onnx") == (
        f"{NETWORK}/1/model.onnx is not the file that its passport describes: run `vcf export onnx`"
    )


def test_swapped_plan(folder: Path) -> None:
    (folder / "model.plan").write_bytes(b"another")
    assert "is not the file that its passport describes: run `vcf export plan`" in (sentence(folder) or "")


def test_plan_without_passport(folder: Path) -> None:
    (folder / "passport.json").unlink()
    assert "has no passport" in (sentence(folder) or "")
    assert sentence(folder, "model.onnx") is None  # a user's own graph


def test_missing_plan(folder: Path) -> None:
    (folder / "model.plan").unlink()
    assert sentence(folder) == f"{NETWORK}/1/model.plan is missing: run `vcf export plan` on this machine"


@pytest.mark.parametrize("content", ["", "{}", '{"files": []}', '{"files": {"model.onnx": {}}}', '{"files": {"a": 1}}'])
def test_broken_passport(folder: Path, content: str) -> None:
    (folder / "passport.json").write_text(content)
    with pytest.raises(SetupError, match=rf"{NETWORK}/1/passport\.json cannot be read .*`vcf export onnx`"):
        sentence(folder)


def test_openvino_hash_covers_the_weights(tmp_path: Path) -> None:
    (tmp_path / "model.int8.xml").write_text("<net/>")
    (tmp_path / "model.int8.bin").write_bytes(b"1")
    before = passport.sha256(tmp_path / "model.int8.xml")
    (tmp_path / "model.int8.bin").write_bytes(b"2")
    assert passport.sha256(tmp_path / "model.int8.xml") != before


def test_parity_figures_stay_with_the_file_and_go_with_it(folder: Path) -> None:
    graph = folder / "model.onnx"
    written.record_parity([graph, folder / "gone.onnx"], {"max_patch_difference": 1e-7})
    assert written.record(graph, precision="fp32")["parity"] == {"max_patch_difference": 1e-7}
    graph.write_bytes(b"other")
    assert "parity" not in written.record(graph, precision="fp32")


def test_entries_of_files_that_are_gone_go_too(folder: Path) -> None:
    (folder / "model.plan").unlink()
    written.record(folder / "model.onnx", precision="fp32")
    assert list(passport.read(folder)) == ["model.onnx"]


def test_same_entries_same_bytes(folder: Path, tmp_path: Path) -> None:
    before = (folder / "passport.json").read_bytes()
    again = tmp_path / "again" / NETWORK / "1"
    shutil.copytree(folder, again)
    (again / "passport.json").unlink()
    written.record(again / "model.onnx", precision="fp32", weights_sha256="w" * 64)
    written.record_plan(again / "model.plan", HERE, "fp32", SHAPES)
    assert (again / "passport.json").read_bytes() == before
    assert json.loads(before)["network"] == NETWORK


def test_host_is_read_from_nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA H200, 9.0'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("TRT_VERSION", "10.9.0.34")
    assert passport.this_host().gpu == Gpu("NVIDIA H200", "9.0")
    assert passport.this_host().tensorrt == "10.9.0.34"
    tool.write_text("#!/bin/sh\nexit 9\n")
    assert passport.this_host().gpu is None
