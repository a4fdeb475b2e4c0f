# SPDX-License-Identifier: Apache-2.0
"""The wheel is found, and each thing that would make it fail later is named at once."""

import importlib.metadata
import importlib.util
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from vcf_contract.errors import SetupError
from vcf_server import wheel

needs_wheel = pytest.mark.skipif(
    importlib.util.find_spec("pytriton") is None, reason="nvidia-pytriton is not installed"
)
Version = namedtuple("Version", "major minor")


@needs_wheel
@pytest.mark.server
def test_found_for_the_running_interpreter():
    found = wheel.find()
    assert found.server.is_file() and found.stub.is_file()
    assert (found.python_backend / "libtriton_python.so").is_file()
    assert found.stub.parent.name == f"{sys.version_info.major}.{sys.version_info.minor}"
    environment = found.environment()
    assert environment["PATH"].split(":")[0] == str(Path(sys.executable).parent)
    assert str(found.libraries) in environment["LD_LIBRARY_PATH"].split(":")


@needs_wheel
def test_nothing_heavy_is_imported():
    code = (
        "import sys, vcf_server.wheel, vcf_server.server; vcf_server.wheel.find(); "
        "sys.exit(bool({'pytriton', 'numpy', 'tritonclient', 'openvino', 'onnxruntime'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


def test_missing_wheel(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SetupError, match=r"not installed; run `pip install 'vcf-triton\[serve\]'`"):
        wheel.find()


@needs_wheel
def test_version_without_a_stub(monkeypatch):
    monkeypatch.setattr(wheel.sys, "version_info", Version(3, 99))
    with pytest.raises(SetupError, match=r"no stub for Python 3\.99, only for 3\.8, .*3\.10.*3\.13"):
        wheel.find()


@needs_wheel
def test_numpy_2(monkeypatch):
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "2.1.0")
    with pytest.raises(SetupError, match=r"numpy 2\.1\.0 is installed.*pip install 'numpy<2'"):
        wheel.find()


@needs_wheel
def test_library_that_the_loader_misses(monkeypatch):
    answer = subprocess.CompletedProcess([], 0, "\tlibpython3.11.so.1.0 => not found\n", "")
    monkeypatch.setattr(subprocess, "run", lambda *args, **kwargs: answer)
    with pytest.raises(SetupError, match=r"cannot run on this system: libpython3\.11\.so\.1\.0 => not found"):
        wheel.find()


@needs_wheel
def test_interpreter_that_is_not_the_first_on_its_path(monkeypatch, tmp_path):
    monkeypatch.setattr(wheel.sys, "executable", str(tmp_path / "python"))
    with pytest.raises(SetupError, match="run from a virtual environment"):
        wheel.find()
