# SPDX-License-Identifier: Apache-2.0
"""Read the threshold and the aggregation that belong to the weights, and refuse them for any other weights."""

import json
from dataclasses import dataclass
from pathlib import Path

from vcf_contract.contract import NETWORKS
from vcf_contract.digest import sha256_of
from vcf_contract.errors import SetupError
from vcf_preprocess.aggregate import Aggregation

FILE_NAME = "operating_point.json"
FIX = "run `vcf export onnx` so that both belong together"


@dataclass(frozen=True)
class OperatingPoint:
    """``threshold`` on the study score that ``aggregation`` makes, and the hash over the weights of both."""

    threshold: float
    weights_sha256: str
    aggregation: Aggregation


def read(repository: Path, version: str, model: str) -> OperatingPoint:
    """Read ``<repository>/<model>/<version>/operating_point.json``, and compare it with the networks beside it.

    A network is compared if its ``model.onnx`` of the same version is in the repository; a repository that
    holds TensorRT plans alone has none.

    Raises
    ------
    SetupError
        If the file is missing or broken, or a network has other weights than it says.
    """
    path = repository / model / version / FILE_NAME
    name = f"{model}/{version}/{FILE_NAME}"
    try:
        content = json.loads(path.read_text())
        threshold = float(content["threshold"])
        weights = {str(name): str(digest) for name, digest in content["weights"].items()}
        overall = str(content["weights_sha256"])
        aggregation = Aggregation.of(content["aggregation"])
    except FileNotFoundError:
        raise SetupError(f"{name} is missing: {FIX}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SetupError(f"{name} cannot be read ({type(error).__name__}: {error}): {FIX}") from None
    if not 0 <= threshold <= 1:
        raise SetupError(f"{name} has the threshold {threshold}, needed is one from 0 to 1: {FIX}")
    for network in NETWORKS:
        onnx = repository / network.name / version / "model.onnx"
        if onnx.is_file() and sha256_of(onnx) != weights.get(network.name):
            raise SetupError(
                f"the operating point was fixed with other weights than those of {network.name}/{version}: {FIX}"
            )
    return OperatingPoint(threshold, overall, aggregation)
