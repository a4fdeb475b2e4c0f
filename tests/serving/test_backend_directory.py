# SPDX-License-Identifier: Apache-2.0
"""The folder that Triton looks for backends in, and the packages that stubs import."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from vcf_contract.errors import SetupError
from vcf_server.backend_directory import PACKAGES, assemble, link_packages


@pytest.fixture
def wheel(tmp_path: Path) -> Any:
    (tmp_path / "wheel" / "python").mkdir(parents=True)
    (tmp_path / "wheel" / "python" / "libtriton_python.so").write_text("library")
    (tmp_path / "wheel" / "stub").write_text("stub")
    return SimpleNamespace(python_backend=tmp_path / "wheel" / "python", stub=tmp_path / "wheel" / "stub")


def test_every_backend_gets_a_folder_and_the_stub_lies_beside_the_library(wheel: Any, tmp_path: Path) -> None:
    for name in ("openvino", "onnxruntime"):
        (tmp_path / "ours" / name).mkdir(parents=True)
        (tmp_path / "ours" / name / "model.py").write_text(name)
    (tmp_path / "ours" / "notes").mkdir()
    made = assemble(wheel, tmp_path / "ours", tmp_path / "made")
    assert sorted(str(path.relative_to(made)) for path in made.rglob("*") if path.is_file()) == [
        "onnxruntime/model.py",
        "openvino/model.py",
        "python/libtriton_python.so",
        "python/stub",
    ]
    assert not [path for path in made.rglob("*") if path.is_symlink()], "Triton refuses links"


def test_no_backend_is_said(wheel: Any, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"no Python-based backends .*: install vcf-triton again"):
        assemble(wheel, tmp_path / "none", tmp_path / "made")


def test_an_isolated_python_finds_the_packages_of_this_process(tmp_path: Path) -> None:
    """As the stub's: it ignores PYTHONPATH and site-packages, and has the working directory on its path."""
    link_packages(tmp_path)
    program = "import sys; sys.path.insert(0, '.'); " + "; ".join(
        f"import {name}; print({name}.__path__[0])" for name in ("vcf_contract", "vcf_preprocess")
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == set(PACKAGES)


def test_a_package_that_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SetupError, match="the models need the package vcf_client, which is not installed"):
        link_packages(tmp_path)
