# SPDX-License-Identifier: Apache-2.0
"""Passports: what a served file is made of and where it may run, read before a server loads it.

``passport.json`` lies beside the files of a network's version and has one entry a file: its own hash, the hashes of
the Keras weights and of the ONNX graph behind it, its precision and shapes, and for a TensorRT plan the GPU and the
versions that built it. ``vcf_export.passport_writer`` writes it.
"""

import importlib.metadata
import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vcf_contract.digest import sha256_of
from vcf_contract.errors import SetupError

FILE_NAME = "passport.json"
ONNX, PLAN = "model.onnx", "model.plan"
FIXES = {ONNX: "`vcf export onnx`", PLAN: "`vcf export plan` on this machine"}
"""What makes a file anew; anything else comes from ``vcf export openvino``."""

THIS_MODEL, SAME_CAPABILITY = COMPATIBILITIES = ("none", "sameComputeCapability")
"""Which GPUs a plan serves, in TensorRT's words: those of the very model that built it, or all of its compute
capability, H100 SXM and H100 PCIe alike."""

NO_GPU = "the GPU form runs in NVIDIA's Triton container on a GPU, the CPU forms run here (--config cpu)"


@dataclass(frozen=True)
class Gpu:
    """The first NVIDIA GPU of a machine."""

    name: str
    compute_capability: str
    """The number as ``nvidia-smi`` writes it: 8.6."""

    def __str__(self) -> str:
        return f"{self.name} (compute capability {self.compute_capability})"


@dataclass(frozen=True)
class Host:
    """Tell what a plan must fit: ``None`` where the machine has none, or does not say which."""

    gpu: Gpu | None
    tensorrt: str | None
    cuda: str | None


def this_host() -> Host:
    """Ask ``nvidia-smi`` and, for the versions, the variables of NVIDIA's containers or the installed package."""
    tensorrt = os.environ.get("TRT_VERSION")
    if not tensorrt:
        try:
            tensorrt = importlib.metadata.version("tensorrt")
        except importlib.metadata.PackageNotFoundError:
            tensorrt = None
    return Host(_gpu(), tensorrt, os.environ.get("CUDA_VERSION"))


def _gpu() -> Gpu | None:
    command = ["nvidia-smi", "--query-gpu=name,compute_cap", "--format=csv,noheader", "--id=0"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    name, _, capability = said.strip().rpartition(", ")
    return Gpu(name, capability) if name else None


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file; of an OpenVINO ``.xml`` together with the weights in its ``.bin``."""
    return sha256_of(path, path.with_suffix(".bin")) if path.suffix == ".xml" else sha256_of(path)


def read(folder: Path) -> dict[str, Any]:
    """Entries by file name; empty where there is no passport.

    Raises
    ------
    SetupError
        If the passport is broken.
    """
    path = folder / FILE_NAME
    name = f"{folder.parent.name}/{folder.name}/{FILE_NAME}"
    try:
        entries = json.loads(path.read_text())["files"]
        if not all(isinstance(entry["sha256"], str) for entry in entries.values()):
            raise TypeError("a sha256 is no text")
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SetupError(
            f"{name} cannot be read ({type(error).__name__}: {error}): remove it and run `vcf export onnx`"
        ) from None
    return dict(entries)


def check(repository: Path, files: Mapping[str, str], version: str = "1", host: Host | None = None) -> None:
    """Refuse the first file that is not what its passport says, or that this machine cannot run.

    Parameters
    ----------
    files
        File that each network is served from, by network.

    Raises
    ------
    SetupError
        With the sentence of `problem`.
    """
    if sentence := next(iter(problems(repository, files, version, host).values()), None):
        raise SetupError(sentence)


def problems(
    repository: Path, files: Mapping[str, str], version: str = "1", host: Host | None = None
) -> dict[str, str]:
    """Why files cannot be served, one sentence each with its fix, by network; empty where all can."""
    host = host or (this_host() if PLAN in files.values() else Host(None, None, None))
    found = {network: problem(repository / network / version, name, host) for network, name in files.items()}
    return {network: sentence for network, sentence in found.items() if sentence}


def problem(folder: Path, file_name: str, host: Host) -> str | None:
    """Why a file of a version's folder cannot be served, or None.

    An ONNX file without a passport is served: it may be a user's own. What was made from an ONNX file is not, for
    nothing else tells whose weights are in it.
    """
    path = folder / file_name
    name = f"{folder.parent.name}/{folder.name}/{file_name}"
    fix = f"run {FIXES.get(file_name, '`vcf export openvino`')}"
    if file_name == PLAN and host.gpu is None:
        return f"{name} needs an NVIDIA GPU and this machine shows none: {NO_GPU}"
    if not path.is_file():
        return f"{name} is missing: {fix}"
    entry = read(folder).get(file_name)
    if entry is None:
        return None if file_name == ONNX else f"{name} has no passport, so nothing says what it was made from: {fix}"
    try:
        found = sha256(path)
    except OSError as error:
        return f"{name} cannot be read ({error.strerror}): {fix}"
    if found != entry["sha256"]:
        return f"{name} is not the file that its passport describes: {fix}"
    if file_name == ONNX:
        return None
    graph = folder / ONNX
    if graph.is_file() and sha256(graph) != entry.get("onnx_sha256"):
        return f"{name} was made from other weights than those of the {ONNX} beside it: {fix}"
    return _unfit(name, entry, host, fix) if file_name == PLAN else None


def _unfit(name: str, entry: Mapping[str, Any], host: Host, fix: str) -> str | None:
    built = Gpu(str(entry.get("gpu")), str(entry.get("compute_capability")))
    if entry.get("hardware_compatibility") == SAME_CAPABILITY:
        if host.gpu is None or built.compute_capability != host.gpu.compute_capability:
            return f"{name} serves compute capability {built.compute_capability}, this machine has {host.gpu}: {fix}"
    elif built != host.gpu:
        alike = host.gpu is not None and built.compute_capability == host.gpu.compute_capability
        wider = f" with --hardware-compatibility {SAME_CAPABILITY} to serve both" if alike else ""
        return f"{name} was built on {built}, this machine has {host.gpu}: {fix}{wider}"
    if host.tensorrt and _release(host.tensorrt) != _release(str(entry.get("tensorrt"))):
        return f"{name} was built by TensorRT {entry.get('tensorrt')}, this is TensorRT {host.tensorrt}: {fix}"
    return None


def _release(version: str) -> list[str]:
    """Leave out the build number; plans of another release are refused by TensorRT itself, but later and in code."""
    return version.split(".")[:3]
