# SPDX-License-Identifier: Apache-2.0
"""The threshold and the aggregation that go with the weights, and the hash by which all are known.

``operating_point.json`` lies in each model that applies a part of it, since a server that reads its repository from a
bucket gives a model its own folder alone. It holds the hash of every network it was fixed with, so that a server can
refuse a threshold that belongs to other weights.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vcf_contract.contract import FRACTURE_FINDINGS, NETWORKS, SPINE_PATCHES
from vcf_contract.digest import sha256_of
from vcf_contract.errors import SetupError
from vcf_preprocess.aggregate import Aggregation

FILES = tuple(f"{model.name}/1/operating_point.json" for model in (FRACTURE_FINDINGS, SPINE_PATCHES))


def weights_sha256(hashes: Mapping[str, str]) -> str:
    """Return one hash for all networks: SHA-256 of the lines ``<network> <sha256>``, sorted by name."""
    lines = "".join(f"{name} {hashes[name]}\n" for name in sorted(hashes))
    return hashlib.sha256(lines.encode()).hexdigest()


def write_operating_point(repository: Path, operating_point: Mapping[str, Any]) -> Path:
    """Write the operating point of a training's manifest for the ``model.onnx`` files in the repository.

    The first of the files is returned.

    Parameters
    ----------
    repository
        Model repository that holds every network's ``model.onnx``.
    operating_point
        At least ``threshold``; ``aggregation`` where it is not the default; the rest says how both
        were fixed.

    Raises
    ------
    SetupError
        A network's file is missing.
    ValueError
        The threshold is no number in [0, 1], or there is no such aggregation.
    """
    threshold = float(operating_point["threshold"])
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold {threshold}: a probability from 0 to 1 is needed")
    hashes = {}
    for network in NETWORKS:
        path = repository / network.name / "1" / "model.onnx"
        if not path.is_file():
            raise SetupError(f"no {network.name}/1/model.onnx in {repository}: run `vcf export onnx` first")
        hashes[network.name] = sha256_of(path)
    content = {
        "threshold": threshold,
        "aggregation": Aggregation.of(operating_point.get("aggregation", {})).plain(),
        "operating_point": dict(operating_point),
        "weights": hashes,
        "weights_sha256": weights_sha256(hashes),
    }
    targets = [repository / file for file in FILES]
    for target in targets:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")
    return targets[0]
