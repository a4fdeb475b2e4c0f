# SPDX-License-Identifier: Apache-2.0
"""Weights on disk: one file a network, named like the served model, and ``manifest.json`` beside them."""

import fcntl
import hashlib
import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from vcf_contract.contract import PATCH_ENCODER, SEQUENCE_HEAD, SPINAL_CORD_DETECTOR
from vcf_contract.errors import SetupError
from vcf_preprocess.aggregate import Aggregation
from vcf_training import models, patch_variants, served, variants
from vcf_training.architecture import MEMBERS, of_settings
from vcf_training.served import Member

SHIPPED = Path(__file__).with_name("weights")
"""The weights that come with the project; trained on synthetic fractures (``MODEL_CARD.md``)."""
MANIFEST = "manifest.json"
DETECTOR_NAME = SPINAL_CORD_DETECTOR.name


@dataclass(frozen=True)
class Networks:
    """The three networks as they are served, and how their answers become a score."""

    detector: keras.Model
    patch_encoder: keras.Model
    sequence_head: keras.Model
    aggregation: Aggregation
    members: tuple[Member, ...]
    """Those inside `patch_encoder` and `sequence_head`, in the order of their rows."""

    def by_name(self) -> dict[str, keras.Model]:
        """Key the networks by the served model's name, in the contract's order."""
        return {m.name: m for m in (self.detector, self.patch_encoder, self.sequence_head)}

    @classmethod
    def of(cls, detector: keras.Model, members: Sequence[Member], aggregation: Aggregation) -> "Networks":
        """Put members together; ``detector`` in its served form."""
        encoder, head = served.patch_encoder(members), served.sequence_head(members)
        return cls(detector, encoder, head, aggregation, tuple(members))


def encoder_name(member: str) -> str:
    """Name of the weights of a member's F_rep."""
    return f"{PATCH_ENCODER.name}_{member}"


def head_name(member: str) -> str:
    """Name of the weights of a member's F_seq and F_agg."""
    return f"{SEQUENCE_HEAD.name}_{member}"


def weights_path(folder: Path, network: str) -> Path:
    """Tell where a network's weights lie."""
    return folder / f"{network}.weights.h5"


def save_detector(folder: Path, trained: keras.Model) -> None:
    """Save the detector with its batch normalisation, so that training can go on from it."""
    folder.mkdir(parents=True, exist_ok=True)
    trained.save_weights(weights_path(folder, DETECTOR_NAME))


def keep_detector_of(start: Path, folder: Path) -> None:
    """Take over the detector of the weights that members go on from, where the folder has none: what is exported is
    whole."""
    path = weights_path(start, DETECTOR_NAME)
    if weights_path(folder, DETECTOR_NAME).is_file() or not path.is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, weights_path(folder, DETECTOR_NAME))
    update_manifest(folder, detector=read_manifest(start).get("detector"))


def save_member(folder: Path, name: str, encoder: keras.Model, head: keras.Model) -> None:
    """Save F_rep and `variants.classifier` of a member; its entry in the manifest says of which architecture."""
    folder.mkdir(parents=True, exist_ok=True)
    encoder.save_weights(weights_path(folder, encoder_name(name)))
    head.save_weights(weights_path(folder, head_name(name)))


def load_detector(folder: Path = SHIPPED) -> keras.Model:
    """The detector with its batch normalisation; ``models.fold_batch_norm`` gives the served form."""
    return _loaded(folder, DETECTOR_NAME, models.canal_detector())


def load_member(name: str, folder: Path = SHIPPED) -> Member:
    """A member of the architecture and the view of a patch that the manifest gives it.

    Raises
    ------
    SetupError
        A weights file is missing or cannot be read, or the view is not within the served patch.
    """
    entry = read_manifest(folder).get("members", {}).get(name, {})
    architecture, patch = of_settings(entry.get("settings", {}))
    try:
        patch_variants.check(patch)
    except ValueError as error:
        raise SetupError(f"member {name} in {folder} cannot be served: {error}") from None
    encoder = variants.patch_encoder(architecture, patch.grid, member=name)
    head = variants.classifier(architecture, encoder.output_shape[-1])
    return Member(
        name,
        architecture,
        patch,
        _loaded(folder, encoder_name(name), encoder),
        _loaded(folder, head_name(name), head),
    )


def member_names(folder: Path = SHIPPED) -> tuple[str, ...]:
    """The members whose weights the manifest lists, in order.

    Raises
    ------
    SetupError
        There is none.
    """
    files = read_manifest(folder).get("files", {})
    names = tuple(name for name in MEMBERS if f"{encoder_name(name)}.weights.h5" in files)
    if not names:
        raise SetupError(f"no weights of a member in {folder}: train them with `vcf train all --out {folder}`")
    return names


def keep_members(folder: Path, names: Sequence[str]) -> None:
    """Remove the weights and the manifest's entries of all other members: an ensemble is what the folder holds."""
    folder.mkdir(parents=True, exist_ok=True)
    others = [name for name in MEMBERS if name not in names]
    for name in others:
        for network in (encoder_name(name), head_name(name)):
            weights_path(folder, network).unlink(missing_ok=True)
    update_manifest(folder, members=dict.fromkeys(others))


def load_networks(folder: Path = SHIPPED) -> Networks:
    """All networks in their served form.

    Raises
    ------
    SetupError
        A weights file is missing or cannot be read.
    """
    return Networks.of(
        models.fold_batch_norm(load_detector(folder)),
        [load_member(name, folder) for name in member_names(folder)],
        aggregation(folder),
    )


def aggregation(folder: Path = SHIPPED) -> Aggregation:
    """Tell how the manifest says that the members' answers are aggregated; the default before a threshold was fixed."""
    return Aggregation.of(read_manifest(folder).get("operating_point", {}).get("aggregation", {}))


def read_manifest(folder: Path = SHIPPED) -> dict[str, Any]:
    """Tell how the weights came to be; empty where nothing was trained yet."""
    path = folder / MANIFEST
    return json.loads(path.read_text()) if path.is_file() else {}


def update_manifest(folder: Path, **entries: Any) -> None:
    """Replace ``entries`` of the manifest (members one by one, None removes one) and renew the weights files' hashes.

    Trainings of several members may share a folder: a lock keeps one from undoing what another wrote.
    """
    with _lock_path(folder).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        manifest = read_manifest(folder)
        for name, entry in entries.items():
            if name == "members":
                entry = {k: v for k, v in (manifest.get(name, {}) | entry).items() if v is not None}
            manifest[name] = entry
        manifest["files"] = {p.name: sha256(p.read_bytes()) for p in sorted(folder.glob("*.weights.h5"))}
        write_whole(folder / MANIFEST, json.dumps(manifest, indent=2, sort_keys=True) + "\n")


def write_whole(path: Path, text: str) -> None:
    """Write a file in one step: a kill leaves the old one or the new one."""
    part = path.with_name(f"{path.name}.part")
    part.write_text(text)
    part.replace(path)


def unchanged(folder: Path, networks: Sequence[str]) -> bool:
    """Tell whether the weights files of these networks are there and are those that the manifest describes."""
    known = read_manifest(folder).get("files", {})
    paths = [weights_path(folder, name) for name in networks]
    return all(p.is_file() and known.get(p.name) == sha256(p.read_bytes()) for p in paths)


def _lock_path(folder: Path) -> Path:
    """The lock lies outside the folder: one among shipped weights would look like one of them."""
    return Path(tempfile.gettempdir()) / f"vcf-weights-{sha256(str(folder.resolve()).encode())[:16]}.lock"


def sha256(content: bytes) -> str:
    """Hexadecimal SHA-256."""
    return hashlib.sha256(content).hexdigest()


def _loaded(folder: Path, name: str, model: keras.Model) -> keras.Model:
    path = weights_path(folder, name)
    if not path.is_file():
        raise SetupError(f"no weights {path.name} in {folder}: train them with `vcf train all --out {folder}`")
    try:
        model.load_weights(path)
    except (OSError, KeyError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise SetupError(
            f"the weights {path.name} in {folder} cannot be read ({reason}): restore the file, or train it anew"
        ) from None
    return model
