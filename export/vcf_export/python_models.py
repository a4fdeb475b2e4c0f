# SPDX-License-Identifier: Apache-2.0
"""The part of a model repository that is neither trained nor generated: the Python models."""

import shutil
from pathlib import Path

from vcf_server.assets import MODEL_REPOSITORY

SOURCE = MODEL_REPOSITORY


def copy_python_models(target: Path, source: Path = SOURCE) -> list[Path]:
    """Copy every ``<model>/<version>/model.py``; nothing to do where both folders are one. The paths."""
    if target.resolve() == source.resolve():
        return []
    copied = []
    for model in sorted(source.glob("*/*/model.py")):
        there = target / model.relative_to(source)
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(model, there)
        copied.append(there)
    return copied
