# SPDX-License-Identifier: Apache-2.0
"""Outputs of a command: looked at before its work begins, and named where writing fails all the same."""

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vcf_contract.errors import SetupError

_FILES = ("json", "sr", "sc", "log_file")
_FOLDERS = ("report", "out")
STANDARD_OUTPUT = Path("-")


def refuse_unwritable(args: argparse.Namespace) -> None:
    """Raise SetupError, naming option and path, where an output of a command cannot be written.

    Outputs are the options of the names above. What a path lacks of folders is made later, so the nearest folder that
    is there counts.
    """
    for name in (*_FILES, *_FOLDERS):
        path = getattr(args, name, None)
        if isinstance(path, Path) and path != STANDARD_OUTPUT and (problem := _problem(path, name in _FOLDERS)):
            raise SetupError(f"{_option(name)} {path} cannot be written: {problem}")


@contextmanager
def writing(name: str, path: Path) -> Iterator[None]:
    """Make the folder that a file goes to; an OSError as SetupError, naming option and path."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise SetupError(f"{_option(name)} {path} could not be written: {error.strerror or error}") from error


def write_json(path: Path, text: str) -> None:
    """Write what ``--json`` asks for to a file, or print it where that is `STANDARD_OUTPUT`."""
    if path == STANDARD_OUTPUT:
        print(text, end="")
        return
    with writing("json", path):
        path.write_text(text, "utf-8")


@contextmanager
def kept(failed: list[SetupError]) -> Iterator[None]:
    """A file that cannot be written costs neither the others nor what is printed."""
    try:
        yield
    except SetupError as error:
        failed.append(error)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _problem(path: Path, folder: bool) -> str:
    try:
        if path.is_dir() and not folder:
            return "it is a folder, the name of a file is accepted"
        if path.exists() and not path.is_dir() and folder:
            return "it is a file, the name of a folder is accepted"
        existing = next(place for place in (path, *path.absolute().parents) if place.exists())
        if not existing.is_dir() and existing != path:
            return f"{existing} is no folder"
        return "" if os.access(existing, os.W_OK) else f"{existing} may not be written to by this user"
    except OSError as error:
        return error.strerror or str(error)
