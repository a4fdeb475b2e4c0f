# SPDX-License-Identifier: Apache-2.0
"""Tell what can be said of a model repository before a server is started on it."""

import re
from collections.abc import Collection
from pathlib import Path

from vcf_contract.contract import MEMBER_MODELS, REMAKE
from vcf_contract.errors import SetupError

GPU = "gpu"
"""The name by which users ask for ``config.pbtxt``; any other name is that of ``configs/<name>.pbtxt``."""


def check(repository: Path, config_name: str, backends: Collection[str]) -> list[str]:
    """Names of the models, if each has a config, a backend that is there and the model file it names.

    Raises
    ------
    SetupError
        Naming what is missing and how to get it.
    """
    if not repository.is_dir():
        raise SetupError(f"no model repository at {repository}")
    models = sorted(folder.name for folder in repository.iterdir() if folder.is_dir() and folder.name[0] != ".")
    if not models:
        raise SetupError(f"the model repository {repository} holds no model")
    if any(map(MEMBER_MODELS.fullmatch, models)):
        raise SetupError(f"the model repository {repository} cannot be served, {REMAKE}")
    known = sorted({path.stem for model in models for path in (repository / model / "configs").glob("*.pbtxt")})
    if any((repository / model / "config.pbtxt").is_file() for model in models):
        known.insert(0, GPU)
    # Where no model has a form of its own, any name means the one that there is.
    if config_name not in known and known != [GPU]:
        raise SetupError(
            f"there is no configuration {config_name!r} of the models in {repository}; there are {', '.join(known)}"
        )
    missing_files = []
    for model in models:
        text = _config_text(repository / model, config_name)
        backend = _field(text, "backend")
        if backend and backend not in backends:
            others = (
                "the GPU form runs in NVIDIA's Triton container, the CPU forms run here (--config cpu)"
                if backend == "tensorrt"
                else "another configuration may need another one, --config names it"
            )
            raise SetupError(
                f"model {model!r} asks for the backend {backend!r}, and this server has {', '.join(sorted(backends))}: "
                f"{others}"
            )
        file_name = _field(text, "default_model_filename")
        versions = [folder for folder in (repository / model).iterdir() if folder.name.isdecimal()]
        if not versions:
            missing_files.append(f"{model}/1")
        elif file_name and not any((version / file_name).exists() for version in versions):
            missing_files.append(f"{model}/{versions[0].name}/{file_name}")
    if missing_files:
        made_by = "openvino" if all(name.endswith(".xml") for name in missing_files) else "onnx"
        raise SetupError(
            f"the networks are not exported, {repository} lacks {', '.join(missing_files)}: "
            f"run `vcf export {made_by} --out {repository}`"
        )
    return models


def network_files(repository: Path, config_name: str) -> dict[str, str]:
    """File that each network is served from, by network; models that have no file of their own are left out."""
    files = {}
    for folder in sorted(repository.iterdir()):
        if folder.is_dir() and folder.name[0] != ".":
            name = _field(_config_text(folder, config_name), "default_model_filename")
            if name:
                files[folder.name] = name
    return files


def _config_text(model: Path, config_name: str) -> str:
    named = model / "configs" / f"{config_name}.pbtxt"
    for config in (named, model / "config.pbtxt"):
        if config.is_file():
            return config.read_text()
    raise SetupError(f"model {model.name!r} has neither configs/{config_name}.pbtxt nor config.pbtxt")


def _field(text: str, name: str) -> str | None:
    match = re.search(rf'^\s*{name}:\s*"([^"]*)"', text, re.MULTILINE)
    return match[1] if match else None
