# SPDX-License-Identifier: Apache-2.0
"""Tell where the model repository and the Python-based backends of this distribution lie."""

from pathlib import Path

from vcf_contract.errors import UsageError


def shipped(name: str) -> Path:
    """Find a folder that comes with the project: inside this package in a wheel, at the top of a checkout otherwise.

    It need not exist: images hold it elsewhere, and what needs it says so.
    """
    inside = Path(__file__).with_name(name)
    return inside if inside.is_dir() else Path(__file__).resolve().parents[2] / name


MODEL_REPOSITORY = shipped("model_repository")
BACKENDS = shipped("backends")


def repository_to_read(given: Path | None) -> Path:
    """The model repository that was named, or the one that ships."""
    return given or MODEL_REPOSITORY


def repository_to_write(given: Path | None, option: str = "--out") -> Path:
    """The model repository that was named by an option, or that of the checkout.

    Raises
    ------
    UsageError
        If none was named and this is no checkout: files of an installed package are not to be changed.
    """
    if given is None and MODEL_REPOSITORY.is_relative_to(Path(__file__).parent):
        raise UsageError(
            f"{option} is missing: the model repository that ships is part of the installed package and stays as it is;"
            " give a folder of your own, `vcf export all --out DIR` makes a complete one"
        )
    return given or MODEL_REPOSITORY
