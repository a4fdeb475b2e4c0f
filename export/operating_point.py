# SPDX-License-Identifier: Apache-2.0
"""The threshold that goes with the weights, and the hash by which both are known.

``operating_point.json`` lies beside the model that applies it. It holds the hash of every network it was fixed
with, so that a server can refuse a threshold that belongs to other weights.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vcf.contract import FRACTURE_FINDINGS, NETWORKS
from vcf.errors import SetupError

FILE = f"{FRACTURE_FINDINGS.name}/1/operating_point.json"


def weights_sha256(hashes: Mapping[str, str]) -> str:
    """One hash for all networks: SHA-256 of the lines ``<network> <sha256>``, sorted by name."""
    lines = "".join(f"{name} {hashes[name]}\n" for name in sorted(hashes))
    return hashlib.sha256(lines.encode()).hexdigest()


def write_operating_point(repository: Path, operating_point: Mapping[str, Any]) -> Path:
    """Write the operating point of a training's manifest for the ``model.onnx`` files in the repository.

    Args:
        repository: model repository that holds every network's ``model.onnx``.
        operating_point: at least ``threshold``; the rest says how it was fixed.

    Raises:
        SetupError: a network's file is missing.
        ValueError: the threshold is no number in [0, 1].
    """
    threshold = float(operating_point["threshold"])
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold {threshold}: a probability from 0 to 1 is needed")
    hashes = {}
    for network in NETWORKS:
        path = repository / network.name / "1" / "model.onnx"
        if not path.is_file():
            raise SetupError(f"no {network.name}/1/model.onnx in {repository}: run `vcf export onnx` first")
        hashes[network.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    content = {
        "threshold": threshold,
        "operating_point": dict(operating_point),
        "weights": hashes,
        "weights_sha256": weights_sha256(hashes),
    }
    target = repository / FILE
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")
    return target
