# SPDX-License-Identifier: Apache-2.0
"""The wheel outside a checkout: what is in it, and what it does in a fresh environment and an empty folder.

A package index is needed; packages that were fetched once come from the installer's cache.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from vcf_contract.contract import NETWORKS

ROOT = Path(__file__).resolve().parents[1]
LARGEST_BYTES = 10_000_000
UV = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
PYTHON_313 = next(
    (found for name in ("python3.13", *map(str, Path.home().glob(".pyenv/versions/3.13.*/bin/python3.13")))
     if (found := shutil.which(name)) and subprocess.run([found, "--version"], capture_output=True).returncode == 0),
    None,
)  # fmt: skip
PROGRAM = """\
import sys

from vcf_client import Findings, VcfClient

with VcfClient(sys.argv[1]) as client:
    findings: Findings = client.analyze(sys.argv[2])
print(f"{findings.study_score:.6f}")
"""

pytestmark = [pytest.mark.slow, pytest.mark.server]


@dataclass(frozen=True)
class Environment:
    """An environment with the wheel in it, and an empty folder to work in."""

    folder: Path
    work: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def run(self, *words: object, timeout_s: float = 300.0) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(self.command(*words), cwd=self.work, env=clean(), capture_output=True, text=True,
                              timeout=timeout_s)  # fmt: skip

    def command(self, program: str, *words: object) -> list[str]:
        return [str(self.folder / "bin" / program), *map(str, words)]

    def files(self) -> dict[str, int]:
        """All that was installed, with its time of change, but for compiled code."""
        (packages,) = self.folder.glob("lib/python3*/site-packages")
        return {str(p): p.stat().st_mtime_ns for p in packages.rglob("*") if p.is_file() and p.suffix != ".pyc"}


def clean() -> dict[str, str]:
    """Without what would lead back to the checkout."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}


def install(folder: Path, python: str, *what: str, constraints: Path) -> Environment:
    """Make an environment and install into it; skipped where no package index answers."""
    subprocess.run([python, "-m", "venv", *(["--without-pip"] if UV else []), folder / "env"], check=True)
    (folder / "work").mkdir()
    made = Environment(folder / "env", folder / "work")
    pip = [UV, "pip", "install", "--python", made.python] if UV else [made.python, "-m", "pip", "install"]
    # From an empty folder: uv would otherwise read this project's settings.
    done = subprocess.run([*pip, "-q", "-c", constraints, *what], cwd=made.work, env=clean(), capture_output=True,
                          text=True, timeout=1200)  # fmt: skip
    offline(done)
    assert done.returncode == 0, done.stderr
    return made


def offline(done: "subprocess.CompletedProcess[str]") -> None:
    if done.returncode and re.search(
        r"dns error|name resolution|NewConnectionError|error sending request", done.stderr
    ):
        pytest.skip("no package index answers")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    build = [UV, "build", "--wheel", "--out-dir", folder] if UV else [
        sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", folder, "."]  # fmt: skip
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, timeout=600)
    offline(done)
    assert done.returncode == 0, done.stderr
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def served(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """With what the server needs, from the pinned versions."""
    if sys.version_info >= (3, 13):
        pytest.skip("the server needs Python 3.11 or 3.12")
    folder = tmp_path_factory.mktemp("served")
    return install(folder, sys.executable, f"{wheel}[client,serve]", constraints=ROOT / "constraints.txt")


@pytest.fixture(scope="module")
def address(served: Environment) -> Iterator[str]:
    """gRPC address of ``vcf serve`` of that environment."""
    ports = [f"--{service}-port=0" for service in ("grpc", "http", "metrics")]
    command = served.command("vcf", "serve", *ports)
    with subprocess.Popen(command, cwd=served.work, env=clean(), stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        match = re.match(r"ready after [\d.]+ s: gRPC (127\.0\.0\.1:\d+)", server.stdout.readline())
        try:
            assert match, "vcf serve did not start"
            yield match[1]
        finally:
            server.send_signal(signal.SIGTERM)
            assert server.wait(60) == 0


@pytest.fixture(scope="module")
def study(served: Environment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A phantom by the command of that environment."""
    folder = tmp_path_factory.mktemp("study") / "dicom"
    done = served.run("vcf", "phantom", folder, "--seed", "7", "--levels", "T8-L4", "--spacing", "2.5x0.9")
    assert done.returncode == 0, done.stderr
    return folder


def test_contents(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops and all(top.startswith("vcf_") for top in tops)
    assert {f"{top}/py.typed" for top in tops} <= set(names)
    assert not [name for name in names if "results/" in name]
    assert wheel.stat().st_size < LARGEST_BYTES
    for needed in ("vcf_server/model_repository/vcf/config.pbtxt", "vcf_server/backends/openvino/model.py"):
        assert needed in names
    weights = {f"vcf_training/weights/{path.name}" for path in (ROOT / "training/vcf_training/weights").glob("*.h5")}
    assert weights and weights <= set(names)


def test_demo_in_an_empty_folder(served: Environment) -> None:
    before = served.files()
    done = served.run("vcf", "demo")
    assert done.returncode == 0, done.stderr
    report = served.work / "out" / "demo"
    assert {"findings.json", "midsagittal.png", "report.html"} <= {path.name for path in report.iterdir()}
    assert json.loads((report / "findings.json").read_text("utf-8"))["patches"]
    assert [path.name for path in served.work.iterdir()] == ["out"]
    assert served.files() == before


def test_serve_and_analyze(served: Environment, address: str, study: Path) -> None:
    before = served.files()
    done = served.run("vcf", "analyze", study, "--server", address, "--json", "-")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["model"]["networks"] == [network.name for network in NETWORKS]
    assert served.files() == before


def test_commands_find_what_ships(served: Environment) -> None:
    before, there = served.files(), sorted(served.work.iterdir())
    done = served.run("vcf", "export", "config", "--check")
    assert done.returncode == 0, done.stderr
    assert "those that would be generated" in done.stdout
    done = served.run("vcf", "evaluate", "--help")
    assert done.returncode == 0 and done.stdout.startswith("usage: vcf evaluate")
    assert served.files() == before and sorted(served.work.iterdir()) == there


@pytest.mark.parametrize("kind", ["onnx", "openvino", "config", "plan", "all"])
def test_an_export_without_a_folder_says_what_to_give(served: Environment, kind: str) -> None:
    before, there = served.files(), sorted(served.work.iterdir())
    done = served.run("vcf", "export", kind)
    assert done.returncode == 64
    assert done.stderr.startswith("vcf: --out is missing") and "vcf export all --out DIR" in done.stderr
    assert served.files() == before and sorted(served.work.iterdir()) == there


def test_what_an_extra_lacks_is_named(served: Environment) -> None:
    done = served.run("vcf", "export", "onnx", "--out", "models")
    assert done.returncode == 1
    assert re.fullmatch(r"vcf: export needs \w+: pip install 'vcf-triton\[train,export\]'\n", done.stderr)


@pytest.mark.parametrize("numpy", ["1.26.4", "2"])
def test_the_client_alone(
    numpy: str, wheel: Path, address: str, study: Path, served: Environment, tmp_path: Path
) -> None:
    check_client(sys.executable, numpy, wheel, address, study, served, tmp_path)


@pytest.mark.skipif(PYTHON_313 is None, reason="there is no Python 3.13")
def test_the_client_alone_on_python_313(
    wheel: Path, address: str, study: Path, served: Environment, tmp_path: Path
) -> None:
    assert PYTHON_313
    check_client(PYTHON_313, "2", wheel, address, study, served, tmp_path)


def check_client(
    python: str, numpy: str, wheel: Path, address: str, study: Path, served: Environment, folder: Path
) -> None:
    """A program of a few lines scores as the command does, type checks, and brings neither TensorFlow nor Triton."""
    constraints = folder / "constraints.txt"
    pins = (ROOT / "constraints.txt").read_text("utf-8")
    # Other versions of numpy need other versions of what is built on it.
    kept = pins if numpy == "1.26.4" else ""
    constraints.write_text(kept, "utf-8")
    client = install(folder, python, f"{wheel}[client]", f"numpy=={numpy}.*" if numpy == "2" else f"numpy=={numpy}",
                     constraints=constraints)  # fmt: skip
    found = client.run("python", "-c", "import numpy; print(numpy.__version__)").stdout
    assert found.startswith(f"{numpy}.") or found.strip() == numpy
    (packages,) = client.folder.glob("lib/python3*/site-packages")
    assert not {"tensorflow", "keras", "pytriton", "openvino", "onnxruntime"} & {p.name for p in packages.iterdir()}
    program = client.work / "program.py"
    program.write_text(PROGRAM, "utf-8")
    done = client.run("python", program, address, study)
    assert done.returncode == 0, done.stderr
    command = served.run("vcf", "analyze", study, "--server", address, "--json", "-")
    assert float(done.stdout) == pytest.approx(json.loads(command.stdout)["study_score"], abs=1e-6)
    wrong = client.work / "wrong.py"
    wrong.write_text(PROGRAM.replace("study_score:.6f", "no_such_score"), "utf-8")
    mypy = [sys.executable, "-m", "mypy", "--strict", "--python-executable", client.python, program, wrong]
    checked = subprocess.run(mypy, cwd=client.work, env=clean(), capture_output=True, text=True, timeout=300)
    (error, _) = checked.stdout.splitlines()
    assert error.startswith("wrong.py:7: ") and '"Findings" has no attribute "no_such_score"' in error


@pytest.mark.skipif(PYTHON_313 is None, reason="there is no Python 3.13")
def test_the_server_is_refused_on_python_313(wheel: Path, tmp_path: Path) -> None:
    """By the installer and by make, before anything is fetched or made."""
    assert PYTHON_313
    subprocess.run([PYTHON_313, "-m", "venv", tmp_path / "env"], check=True)
    pip = [tmp_path / "env" / "bin" / "python", "-m", "pip", "install", "--no-cache-dir", f"{wheel}[serve]"]
    done = subprocess.run(pip, cwd=tmp_path, env=clean(), capture_output=True, text=True, timeout=600)
    offline(done)
    assert done.returncode == 1
    assert "conflicting dependencies" in done.stdout + done.stderr and "numpy<2" in done.stdout + done.stderr
    make = ["make", "demo", f"PYTHON={PYTHON_313}", f"VENV={tmp_path / 'made'}"]
    done = subprocess.run(make, cwd=ROOT, env=clean(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 2 and "the server needs 3.11 or 3.12" in done.stderr
    assert not (tmp_path / "made").exists()
