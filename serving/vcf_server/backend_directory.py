# SPDX-License-Identifier: Apache-2.0
"""Tell what the wheel's server is started with: the folder of backends, and the packages that its stubs import."""

import importlib.util
import shutil
from pathlib import Path

from vcf_contract.errors import SetupError
from vcf_server.wheel import Wheel

PACKAGES = ("vcf_client", "vcf_contract", "vcf_preprocess", "vcf_runtime")
"""What models and backends import of this project."""


def assemble(wheel: Wheel, python_based: Path, target: Path) -> Path:
    """Put the Python backend, its stub and every backend of ``python_based`` (``<name>/model.py``) into ``target``.

    Everything is copied: Triton refuses a Python-based backend whose runtime is a link ("escapes backend
    directory"), and a library beside its stub is what the stub looks for.

    Raises
    ------
    SetupError
        If ``python_based`` holds no backend.
    """
    backends = sorted(python_based.glob("*/model.py"))
    if not backends:
        raise SetupError(
            f"no Python-based backends (openvino, onnxruntime) in {python_based}: install vcf-triton again"
        )
    shutil.copytree(wheel.python_backend, target / "python")
    shutil.copy2(wheel.stub, target / "python")
    for model in backends:
        folder = target / model.parent.name
        folder.mkdir()
        shutil.copy2(model, folder)
    return target


def link_packages(working_directory: Path) -> None:
    """Let the stubs of a server in this working directory import the packages that this process does.

    Their Python is isolated and ignores PYTHONPATH, but looks in the working directory first. So the checkout that
    starts a server is served as it is, whether it is installed or not, or another one is.
    """
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise SetupError(f"the models need the package {package}, which is not installed: install vcf-triton again")
        target = Path(spec.submodule_search_locations[0]).resolve()
        (working_directory / package).symlink_to(target, target_is_directory=True)
