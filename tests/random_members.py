# SPDX-License-Identifier: Apache-2.0
"""Members of any variant with random weights, biases too: every answer differs, and nothing has to be trained.

``python -m tests.random_members FOLDER`` writes their graphs for environments without Keras: a repository for each
variant alone, and one for each ensemble of `ENSEMBLES`. ``make test-tensorrt`` builds plans of them.
"""

import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import keras
import numpy as np

from vcf_contract.contract import PATCH_ENCODER, SEQUENCE_HEAD
from vcf_contract.spec import PATCH, PatchSpec
from vcf_preprocess.aggregate import Aggregation
from vcf_training import served, store, variants
from vcf_training.architecture import MEMBERS, VARIANTS
from vcf_training.search import CHANGES
from vcf_training.served import Member

Kind = tuple[str, PatchSpec]
"""The name of a variant, and the patches that it sees."""

CUBE_16 = replace(PATCH, grid=(16, 16, 16))
SMALL_BOX: PatchSpec = CHANGES["patch-24"]["patch"]
BONE: PatchSpec = CHANGES["window-bone"]["patch"]
SOFT_16 = replace(CUBE_16, window_centre_hu=250.0, window_width_hu=600.0)

ENSEMBLES: dict[str, tuple[Kind, ...]] = {
    "one": (("bilstm-aggregation", PATCH),),
    "three": (("lstm", CUBE_16), ("bilstm", BONE), ("max-location", PATCH)),
    "five": (
        ("shallow-lstm", SMALL_BOX),
        ("max", PATCH),
        ("lstm-max", SOFT_16),
        ("lstm-no-location", SMALL_BOX),
        ("shallow", PATCH),
    ),
    "learned": (("lstm-smoothed-max", PATCH), ("bilstm-aggregation", SOFT_16), ("lstm", PATCH)),
}
"""Every variant, two other patch grids and two other HU windows, in ensembles of one, three and five."""


def member(name: str, variant: str, patch: PatchSpec = PATCH, seed: int = 0) -> Member:
    """One member; the seed decides its weights."""
    architecture = VARIANTS[variant]
    encoder = variants.patch_encoder(architecture, patch.grid, member=name)
    head = variants.classifier(architecture, encoder.output_shape[-1])
    rng = np.random.default_rng(seed)
    for network in (encoder, head):
        randomise(network, rng)
    return Member(name, architecture, patch, encoder, head)


def members(kinds: Sequence[Kind], seed: int = 0) -> list[Member]:
    """Members a, b, c, … of these kinds."""
    named = zip(MEMBERS, kinds, strict=False)
    return [member(name, *kind, seed=seed + i) for i, (name, kind) in enumerate(named)]


def randomise(network: keras.Model, rng: np.random.Generator) -> None:
    """Kernels that keep the size of what goes through them, and biases that can be seen."""
    weights = []
    for value in network.get_weights():
        spread = np.sqrt(2 / np.prod(value.shape[:-1])) if value.ndim > 1 else 0.2
        weights.append(rng.normal(scale=spread, size=value.shape).astype(np.float32))
    network.set_weights(weights)


def save(folder: Path, ensemble: Sequence[Member], aggregation: Aggregation, threshold: float = 0.5) -> None:
    """Write a folder of weights as a training leaves it, with the detector that ships."""
    store.save_detector(folder, store.load_detector())
    entries = {}
    for one in ensemble:
        store.save_member(folder, one.name, one.encoder, one.head)
        entries[one.name] = {"settings": {"architecture": asdict(one.architecture), "patch": asdict(one.patch)}}
    point = {"threshold": threshold, "aggregation": aggregation.plain()}
    store.update_manifest(folder, members=entries, operating_point=point)


def write_repositories(folder: Path) -> None:
    """Write encoder and head of each variant and ensemble, with their passports; the detector depends on neither."""
    from vcf_export.onnx import graph_shapes, to_onnx
    from vcf_export.passport_writer import record

    alone: dict[str, tuple[Kind, ...]] = {f"variant {name}": ((name, PATCH),) for name in VARIANTS}
    mixed = {f"ensemble {name}": kinds for name, kinds in ENSEMBLES.items()}
    for number, (name, kinds) in enumerate((alone | mixed).items()):
        ensemble = members(kinds, seed=100 * number)
        for network, described in (
            (served.patch_encoder(ensemble), PATCH_ENCODER),
            (served.sequence_head(ensemble), SEQUENCE_HEAD),
        ):
            path = folder / name.replace(" ", "-") / described.name / "1" / "model.onnx"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(to_onnx(network, described).SerializeToString())
            record(path, shapes={name: list(shape) for name, shape in graph_shapes(network, described).items()})


if __name__ == "__main__":
    write_repositories(Path(sys.argv[1]))
