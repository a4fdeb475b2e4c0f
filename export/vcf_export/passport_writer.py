# SPDX-License-Identifier: Apache-2.0
"""Write the passports that ``vcf_server.passport`` checks. Standard library alone: plan builders have no more."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from vcf_server import passport
from vcf_server.passport import FILE_NAME, ONNX, PLAN, Host, sha256

PARITY = "parity"
"""Figures of ``vcf export check``; they stay while the file stays the same."""


def record(path: Path, **entry: Any) -> dict[str, Any]:
    """Set the entry of one file; drop those of files that are gone.

    Parameters
    ----------
    path
        Of the file, beside which the passport lies.
    entry
        What is known of it apart from its hash.
    """
    folder = path.parent
    entries = {name: known for name, known in passport.read(folder).items() if (folder / name).is_file()}
    fresh = {"sha256": sha256(path), **entry}
    before = entries.get(path.name, {})
    if PARITY in before and before["sha256"] == fresh["sha256"]:
        fresh.setdefault(PARITY, before[PARITY])
    entries[path.name] = fresh
    _write(folder, entries)
    return fresh


def record_derived(path: Path, **entry: Any) -> dict[str, Any]:
    """Set the entry of a file made from the ``model.onnx`` beside it: that one's hashes go with it."""
    graph = path.with_name(ONNX)
    weights = passport.read(path.parent).get(ONNX, {}).get("weights_sha256")
    return record(path, onnx_sha256=sha256(graph), weights_sha256=weights, **entry)


def record_plan(
    path: Path,
    host: Host,
    precision: str,
    profiles: Mapping[str, Mapping[str, Any]],
    hardware_compatibility: str = passport.THIS_MODEL,
) -> dict[str, Any]:
    """Set the entry of a plan built on ``host``, for GPUs as ``vcf_server.passport.COMPATIBILITIES`` has them."""
    gpu = host.gpu
    return record_derived(
        path,
        precision=precision,
        profiles=profiles,
        gpu=gpu.name if gpu else None,
        compute_capability=gpu.compute_capability if gpu else None,
        hardware_compatibility=hardware_compatibility,
        tensorrt=host.tensorrt,
        cuda=host.cuda,
    )


def record_parity(paths: Iterable[Path], figures: Mapping[str, Any]) -> None:
    """Add the figures of a parity check to every file that was behind it; nothing else changes."""
    for path in paths:
        entries = passport.read(path.parent)
        if path.name in entries:
            entries[path.name][PARITY] = dict(figures)
            _write(path.parent, entries)


def forget(folder: Path, name: str = PLAN) -> None:
    """Drop a file's entry."""
    entries = passport.read(folder)
    if entries.pop(name, None):
        _write(folder, entries)


def _write(folder: Path, entries: Mapping[str, Any]) -> None:
    content = {"network": folder.parent.name, "files": entries}
    part = folder / f"{FILE_NAME}.part"
    part.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")
    part.replace(folder / FILE_NAME)
