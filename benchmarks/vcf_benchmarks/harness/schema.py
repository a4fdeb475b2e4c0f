# SPDX-License-Identifier: Apache-2.0
"""Results as files: reading them, those of earlier schemas too."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vcf_benchmarks.harness.result import SCHEMA
from vcf_contract.errors import SetupError

_NETWORK, _EXCHANGE = "network", "network and server together"


def read(path: Path) -> dict[str, Any]:
    """Read a result in the present schema.

    Raises
    ------
    SetupError
        If the file is none, or of a schema that this version does not know.
    """
    try:
        document = json.loads(path.read_text("utf-8"))
        kind, schema = document["kind"], document.get("schema", 1)
    except OSError as error:
        raise SetupError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SetupError(f"{path} is no result of `vcf bench` ({type(error).__name__}: {error})") from None
    if schema not in range(1, SCHEMA + 1):
        raise SetupError(f"{path} has schema {schema}; this version reads 1 to {SCHEMA}")
    if schema == 1:
        if kind in _FROM_1:
            document = _FROM_1[kind](document)
        document |= {"schema": SCHEMA}
    settings = document.get("settings", {})
    if "wire" in settings:  # the transport, in results of this schema too until the option was renamed
        document |= {"settings": {"transport" if name == "wire" else name: value for name, value in settings.items()}}
    return dict(document)


def _overhead(document: dict[str, Any]) -> dict[str, Any]:
    targets = [
        target | {"name": target["name"].replace("serving tax", "serving overhead")} for target in document["targets"]
    ]
    return document | {"kind": "overhead", "targets": targets}


def _copies(document: dict[str, Any]) -> dict[str, Any]:
    figures = dict(document["figures"])
    return document | {"figures": figures | {"transports": figures.pop("wires")}}


def _sizes(document: dict[str, Any]) -> dict[str, Any]:
    figures = dict(document["figures"])
    windows = figures.pop("windows_until_settled")
    return document | {"figures": {"windows_until_settled": windows, "transports": figures}}


def _waterfall(document: dict[str, Any]) -> dict[str, Any]:
    figures, settings = dict(document["figures"]), dict(document["settings"])
    names = {"wire": _NETWORK, "wire and server, not told apart": _EXCHANGE}

    def renamed(part: dict[str, Any]) -> dict[str, Any]:
        part = dict(part)
        return part | {"kind": names.get(part["kind"], part["kind"]), "request": part.pop("door")}

    found = {}
    for transport, of in figures.pop("wires").items():
        study = of["median_study"]
        found[transport] = of | {
            "kinds_ms": {names.get(kind, kind): ms for kind, ms in of["kinds_ms"].items()},
            "split_ms": {names.get(name, name): ms for name, ms in of["split_ms"].items()},
            "median_study": study | {"parts": [renamed(part) for part in study["parts"]]},
        }
    return document | {
        "settings": settings | {"transports": settings.pop("wires")},
        "figures": figures | {"transports": found},
    }


_FROM_1: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "tax": _overhead,
    "copies": _copies,
    "sizes": _sizes,
    "waterfall": _waterfall,
}
