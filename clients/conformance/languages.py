# SPDX-License-Identifier: Apache-2.0
"""The commands of the five clients, each built by its own ecosystem's tool where that is here."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

CLIENTS = Path(__file__).resolve().parents[1]
BUILD = CLIENTS.parent / "build" / "clients"
BUILD_TIMEOUT_S = 900


class Missing(Exception):
    """A tool is not here, or what it builds needs something that is not."""


def python() -> list[str]:
    """The command `vcf analyze`."""
    return [sys.executable, "-m", "vcf_cli", "analyze", "--transport", "dicom", "--json", "-"]


def node() -> list[str]:
    """Node's, with the packages of npm."""
    node, npm = _tool("node"), _tool("npm")
    if not (CLIENTS / "node" / "node_modules" / "@grpc" / "grpc-js").is_dir():
        options = ("--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
        _built([npm, "install", *options], CLIENTS / "node")
    return [node, str(CLIENTS / "node" / "bin" / "vcf-analyze.js"), "--json", "-"]


def go() -> list[str]:
    """Go's, built into build/clients."""
    target = BUILD / "vcf-analyze-go"
    _built([_tool("go"), "build", "-o", str(target), "./cmd/vcf-analyze"], CLIENTS / "go")
    return [str(target)]


def java() -> list[str]:
    """Java's, packaged by Maven."""
    target = CLIENTS / "java" / "target"
    java = _tool("java")
    _built([_tool("mvn"), "--batch-mode", "--quiet", "-DskipTests", "package"], CLIENTS / "java")
    return [java, "-cp", f"{target / 'vcf-client.jar'}:{target / 'dependency'}/*", "vcf.client.Main"]


def cpp() -> list[str]:
    """C++'s, built by CMake."""
    cmake, folder = _tool("cmake"), BUILD / "cpp"
    for tool in ("c++", "protoc", "grpc_cpp_plugin"):
        _tool(tool)
    _built([cmake, "-S", str(CLIENTS / "cpp"), "-B", str(folder)], CLIENTS)
    _built([cmake, "--build", str(folder), "--parallel", "2"], CLIENTS)
    return [str(folder / "vcf-analyze")]


LANGUAGES: dict[str, Callable[[], list[str]]] = {"Python": python, "Node": node, "Go": go, "Java": java, "C++": cpp}


def commands() -> dict[str, list[str] | Missing]:
    """The command of each client, or why there is none."""
    found: dict[str, list[str] | Missing] = {}
    for name, command in LANGUAGES.items():
        try:
            found[name] = command()
        except Missing as reason:
            found[name] = reason
    return found


def _tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise Missing(f"{name} is not installed")
    return found


def _built(command: Sequence[str], folder: Path) -> None:
    BUILD.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=BUILD_TIMEOUT_S, env=os.environ, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{(done.stdout + done.stderr)[-3000:]}")
