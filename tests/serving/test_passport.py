# SPDX-License-Identifier: Apache-2.0
"""Passports as a server reads them; what writes them is tested in ``tests/export``."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from vcf_contract.errors import SetupError
from vcf_server import passport
from vcf_server.passport import Gpu, Host

A10 = Host(Gpu("NVIDIA A10", "8.6"), "10.9.0.34", "12.8")
NOBODY = Host(None, None, None)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A network's version with an ONNX file, and an OpenVINO file that was made from it."""
    folder = tmp_path / "patch_encoder" / "1"
    folder.mkdir(parents=True)
    for name, content in (("model.onnx", b"graph"), ("model.int8.xml", b"net"), ("model.int8.bin", b"weights")):
        (folder / name).write_bytes(content)
    write(
        folder,
        {
            "model.onnx": {"sha256": sha256(b"graph")},
            "model.int8.xml": {"sha256": sha256(b"netweights"), "onnx_sha256": sha256(b"graph")},
        },
    )
    return folder


def write(folder: Path, files: Any) -> None:
    (folder / "passport.json").write_text(json.dumps({"files": files}))


@pytest.mark.parametrize("name", ["model.onnx", "model.int8.xml"])
def test_files_that_are_what_they_were_are_served(folder: Path, name: str) -> None:
    assert passport.problem(folder, name, NOBODY) is None
    passport.check(folder.parents[1], {"patch_encoder": name})


def test_a_users_own_graph_needs_no_passport_and_what_was_made_of_one_does(folder: Path) -> None:
    (folder / "passport.json").unlink()
    assert passport.problem(folder, "model.onnx", NOBODY) is None
    assert "has no passport" in (passport.problem(folder, "model.int8.xml", NOBODY) or "")


@pytest.mark.parametrize(
    ("change", "name", "words"),
    [
        ("model.onnx", "model.onnx", "is not the file that its passport describes: run `vcf export onnx`"),
        ("model.int8.bin", "model.int8.xml", "is not the file that its passport describes: run `vcf export openvino`"),
        ("model.onnx", "model.int8.xml", "was made from other weights"),
    ],
)
def test_one_bit_is_noticed(folder: Path, change: str, name: str, words: str) -> None:
    content = bytearray((folder / change).read_bytes())
    content[0] ^= 1
    (folder / change).write_bytes(content)
    assert words in (passport.problem(folder, name, NOBODY) or "")
    with pytest.raises(SetupError, match=words):
        passport.check(folder.parents[1], {"patch_encoder": name})


def test_weights_that_are_gone_are_said(folder: Path) -> None:
    (folder / "model.int8.bin").unlink()
    assert "cannot be read (No such file" in (passport.problem(folder, "model.int8.xml", NOBODY) or "")


@pytest.mark.parametrize("host", [A10, NOBODY])
def test_a_plan_that_is_not_there(folder: Path, host: Host) -> None:
    said = passport.problem(folder, "model.plan", host) or ""
    assert said.startswith("patch_encoder/1/model.plan ")
    assert ("is missing" in said) is (host is A10) and ("needs an NVIDIA GPU" in said) is (host is NOBODY)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"files": []}', '{"files": {"a": {}}}', '{"files": {"a": {"sha256": 1}}}']
)
def test_a_broken_passport_is_named_with_the_remedy(folder: Path, content: str) -> None:
    (folder / "passport.json").write_text(content)
    with pytest.raises(SetupError, match=r"patch_encoder/1/passport\.json cannot be read .*remove it and run"):
        passport.read(folder)


def test_all_networks_at_fault_are_told(folder: Path) -> None:
    found = passport.problems(folder.parents[1], {"patch_encoder": "model.onnx", "sequence_head": "model.onnx"})
    assert list(found) == ["sequence_head"] and "is missing" in found["sequence_head"]


def test_a_machine_without_nvidias_tool_has_no_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("TRT_VERSION", "10.9.0.34")
    monkeypatch.delenv("CUDA_VERSION", raising=False)
    assert passport.this_host() == Host(None, "10.9.0.34", None)


def test_a_tool_that_fails_shows_no_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA A10, 8.6'\nexit 9\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert passport.this_host().gpu is None
    tool.write_text("#!/bin/sh\necho 'NVIDIA A10, 8.6'\n")
    assert passport.this_host().gpu == Gpu("NVIDIA A10", "8.6")
