# SPDX-License-Identifier: Apache-2.0
"""Stand-ins for the base images: under the very names that the Dockerfiles ask for, so that these are built unchanged.

What a stand-in cannot show: CUDA, TensorRT, Triton's own OpenVINO and ONNX Runtime backends, NVIDIA's Python and its
packages, and the newest Triton.
"""

import re
import shutil
import subprocess
from pathlib import Path

from tests.containers.engine import Engine
from vcf_server import wheel

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
PACKAGES = "python3,python3-pip,python3-venv,libpython3.11,ca-certificates"
SETTINGS = ("/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt")
"""What this machine needs to reach the package registries: into the stand-in, and into no file of the repository."""


def names() -> dict[str, str]:
    """Image that each Dockerfile of the product starts from, by its build argument."""
    text = "".join((ROOT / "deploy" / f"{name}.Dockerfile").read_text() for name in ("server", "client"))
    return dict(re.findall(r"^ARG (\w+_IMAGE)=(\S+)$", text, re.MULTILINE))


def prepare(engine: Engine, home: Path) -> None:
    """Make the base images, unless they are there from an earlier run."""
    wanted = names()
    if not _has(engine, "vcf-stand-in/python"):
        _import(engine, _system(home / "rootfs"))
    if not _has(engine, wanted["TRITON_IMAGE"]):
        context = _triton(home / "triton")
        file = HERE / "stand_in" / "triton.Dockerfile"
        build(engine, file, context, "vcf-stand-in/triton")
        shutil.rmtree(context)
    engine.docker("tag", "vcf-stand-in/python", wanted["PYTHON_IMAGE"])
    engine.docker("tag", "vcf-stand-in/triton", wanted["TRITON_IMAGE"])


def build(engine: Engine, file: Path, context: Path, tag: str, *more: str) -> None:
    """``docker build`` with the machine's network."""
    engine.docker("build", "--network", "host", "--file", str(file), "--tag", tag, *more, str(context), timeout_s=900)


def _has(engine: Engine, name: str) -> bool:
    return engine.status("image", "inspect", name)[0] == 0


def _system(folder: Path) -> Path:
    """Debian's Python, as a folder."""
    if not (folder / "etc" / "pip.conf").exists():
        shutil.rmtree(folder, ignore_errors=True)
        command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr
        shutil.rmtree(folder / "var" / "cache" / "apt", ignore_errors=True)
        # The image belongs to one program, as those of Docker's Python do.
        for marker in folder.glob("usr/lib/python3*/EXTERNALLY-MANAGED"):
            marker.unlink()
        (folder / "usr" / "bin" / "python").symlink_to("python3")
        for setting in reversed(SETTINGS):
            if Path(setting).exists():
                shutil.copy(setting, folder / setting.lstrip("/"))
        (folder / "etc" / "pip.conf").touch()
    return folder


def _import(engine: Engine, folder: Path) -> None:
    packed = subprocess.Popen(["tar", "-C", str(folder), "-c", "."], stdout=subprocess.PIPE)
    done = subprocess.run(
        ["docker", "import", "-", "vcf-stand-in/python"], stdin=packed.stdout, env=engine.environment, timeout=600
    )
    assert (packed.wait(), done.returncode) == (0, 0)


def _triton(context: Path) -> Path:
    """The wheel's server where NVIDIA's image has it."""
    found = wheel.find()
    shutil.rmtree(context, ignore_errors=True)
    (context / "bin").mkdir(parents=True)
    shutil.copy2(found.server, context / "bin")
    shutil.copytree(found.libraries, context / "lib")
    shutil.copytree(found.python_backend, context / "backends" / "python")
    stub = found.stub.parents[1] / "3.11" / found.stub.name  # of Debian's Python, whatever runs the tests
    shutil.copy2(stub, context / "backends" / "python")
    return context
