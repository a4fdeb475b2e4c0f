# SPDX-License-Identifier: Apache-2.0
"""Find the Triton server that the ``nvidia-pytriton`` wheel carries, and check that it can run here.

Nothing of the wheel is imported: only its files are wanted. The checks are those whose failure the server
itself would report late, unclearly or not at all.
"""

import importlib.metadata
import importlib.util
import os
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from vcf_contract.errors import SetupError
from vcf_server.processes import STUB

INSTALL = "pip install 'vcf-triton[serve]'"
BACKENDS = ("python",)
"""All that the wheel can run by itself."""


@dataclass(frozen=True)
class Wheel:
    """Files of the wheel that a server needs, and the interpreter its Python stub runs."""

    server: Path
    python_backend: Path
    """``libtriton_python.so`` and ``triton_python_backend_utils.py``."""
    stub: Path
    """The process that hosts a Python model; built for the running interpreter's version."""
    libraries: Path
    interpreter: Path
    """``python3`` of the running environment; the first one on PATH decides the stub's environment."""

    def environment(self) -> dict[str, str]:
        """PATH and LD_LIBRARY_PATH under which server and stubs find the interpreter and the libraries."""
        libraries = [str(self.libraries)]
        if shared := _interpreter_library_folder():
            # The stub needs libpython; another build of the same version may lie on the system's path.
            libraries.insert(0, str(shared))
        return {
            "PATH": _prepended(str(self.interpreter.parent), "PATH"),
            "LD_LIBRARY_PATH": _prepended(os.pathsep.join(libraries), "LD_LIBRARY_PATH"),
        }


def find() -> Wheel:
    """Locate the wheel's files for the running interpreter.

    Raises
    ------
    SetupError
        If the wheel is missing, does not suit this Python version or this system, or numpy is version 2 or later.
    """
    spec = importlib.util.find_spec("pytriton")
    if spec is None or not spec.submodule_search_locations:
        raise SetupError(f"no Triton server: the nvidia-pytriton wheel is not installed; run `{INSTALL}`")
    package = Path(spec.submodule_search_locations[0])
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    stubs = package / "tritonserver" / "python_backend_stubs"
    wheel = Wheel(
        server=package / "tritonserver" / "bin" / "tritonserver",
        python_backend=package / "tritonserver" / "backends" / "python",
        stub=stubs / version / STUB,
        libraries=package.parent / "nvidia_pytriton.libs",
        interpreter=Path(sys.executable).parent / "python3",
    )
    if not wheel.server.is_file():
        raise SetupError(f"no Triton server: the nvidia-pytriton wheel is incomplete; run `{INSTALL}` again")
    if not wheel.stub.is_file():
        built = ", ".join(sorted((folder.name for folder in stubs.iterdir()), key=_numeric))
        raise SetupError(f"the Triton wheel has no stub for Python {version}, only for {built}")
    _check_interpreter(wheel)
    _check_numpy()
    _check_libraries(wheel)
    return wheel


def _check_interpreter(wheel: Wheel) -> None:
    if not wheel.interpreter.exists() or wheel.interpreter.resolve() != Path(sys.executable).resolve():
        raise SetupError(
            f"the Triton wheel runs the `python3` beside the running interpreter, and {wheel.interpreter.parent} has "
            "none or another one: run from a virtual environment"
        )


def _check_numpy() -> None:
    try:
        version = importlib.metadata.version("numpy")
    except importlib.metadata.PackageNotFoundError:
        raise SetupError("the models need numpy, which is not installed: pip install 'numpy<2'") from None
    if int(version.split(".")[0]) >= 2:
        raise SetupError(
            f"numpy {version} is installed; the Triton wheel's Python stub silently loses every output under "
            "numpy 2: pip install 'numpy<2'"
        )


def _check_libraries(wheel: Wheel) -> None:
    """Ask the loader, so that a missing library is named before the server fails without a word."""
    environment = {**os.environ, **wheel.environment()}
    for binary in (wheel.server, wheel.stub):
        try:
            found = subprocess.run(["ldd", str(binary)], env=environment, capture_output=True, text=True, timeout=30)
        except OSError:
            return  # no ldd on this system: the server itself will have to say it
        for line in (found.stdout + found.stderr).splitlines():
            if "not found" in line:
                raise SetupError(f"{binary.name} cannot run on this system: {line.strip()}")


def _interpreter_library_folder() -> Path | None:
    folder, name = sysconfig.get_config_var("LIBDIR"), sysconfig.get_config_var("INSTSONAME")
    return Path(folder) if folder and name and (Path(folder) / name).is_file() else None


def _prepended(value: str, variable: str) -> str:
    return os.pathsep.join(part for part in (value, os.environ.get(variable, "")) if part)


def _numeric(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
