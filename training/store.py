# SPDX-License-Identifier: Apache-2.0
"""Weights on disk: one file a network, named like the served model, and ``manifest.json`` beside them."""

import fcntl
import hashlib
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from training import models, variants
from training.architecture import SERVED, Architecture, not_served_because, of_settings
from vcf.contract import FEATURES, MEMBERS, SPINAL_CORD_DETECTOR, encoder_name, head_name
from vcf.errors import SetupError

SHIPPED = Path(__file__).with_name("weights")
"""The weights that come with the project; trained on synthetic fractures (``MODEL_CARD.md``)."""
MANIFEST = "manifest.json"
DETECTOR_NAME = SPINAL_CORD_DETECTOR.name


@dataclass(frozen=True)
class Networks:
    """All trained networks in their served form, keyed by the member's letter."""

    detector: keras.Model
    encoders: dict[str, keras.Model]
    heads: dict[str, keras.Model]

    def by_name(self) -> dict[str, keras.Model]:
        """Keyed by the served model's name, in the contract's order."""
        return {m.name: m for m in (self.detector, *self.encoders.values(), *self.heads.values())}


def weights_path(folder: Path, network: str) -> Path:
    """Where a network's weights lie."""
    return folder / f"{network}.weights.h5"


def save_detector(folder: Path, trained: keras.Model) -> None:
    """Save the detector with its batch normalisation, so that training can go on from it."""
    folder.mkdir(parents=True, exist_ok=True)
    trained.save_weights(weights_path(folder, DETECTOR_NAME))


def save_member(
    folder: Path, member: str, encoder: keras.Model, head: keras.Model, architecture: Architecture = SERVED
) -> None:
    """Save F_rep and F_seq of a member; ``head`` in its training or its served form.

    A head that has no served form is saved as it is: an evaluation may load it, ``load_member`` refuses it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not_served_because(architecture) is None:
        served = models.sequence_head(encoder.output_shape[-1], member=member)
        served.set_weights(head.get_weights())
        head = served
    encoder.save_weights(weights_path(folder, encoder_name(member)))
    head.save_weights(weights_path(folder, head_name(member)))


def load_detector(folder: Path = SHIPPED) -> keras.Model:
    """The detector with its batch normalisation; ``models.fold_batch_norm`` gives the served form."""
    return _loaded(folder, models.canal_detector())


def load_member(member: str, folder: Path = SHIPPED) -> tuple[keras.Model, keras.Model]:
    """Served F_rep and F_seq of a member.

    Raises:
        SetupError: a weights file is missing or cannot be read, or the member is of an architecture that is not served.
    """
    entry = read_manifest(folder).get("members", {}).get(member, {})
    architecture, patch = of_settings(entry.get("settings", {}))
    if reason := not_served_because(architecture, patch):
        raise SetupError(
            f"member {member} in {folder} cannot be served: {reason}. A served member has F_rep `deep` or `shallow`,"
            " F_seq `lstm` with location, F_agg `served`, `max` or `smoothed_max`, and patches as preprocess/spec.py"
            " has them"
        )
    return (
        _loaded(folder, variants.patch_encoder(architecture, member=member)),
        _loaded(folder, models.sequence_head(FEATURES, member=member)),
    )


def load_networks(folder: Path = SHIPPED) -> Networks:
    """All networks in their served form.

    Raises:
        SetupError: a weights file is missing or cannot be read.
    """
    members = {m: load_member(m, folder) for m in MEMBERS}
    return Networks(
        models.fold_batch_norm(load_detector(folder)),
        {m: encoder for m, (encoder, _) in members.items()},
        {m: head for m, (_, head) in members.items()},
    )


def read_manifest(folder: Path = SHIPPED) -> dict[str, Any]:
    """How the weights came to be; empty where nothing was trained yet."""
    path = folder / MANIFEST
    return json.loads(path.read_text()) if path.is_file() else {}


def update_manifest(folder: Path, **entries: Any) -> None:
    """Replace ``entries`` of the manifest (members one by one) and renew the hashes of the weights files.

    Trainings of several members may share a folder: a lock keeps one from undoing what another wrote.
    """
    with _lock_path(folder).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        manifest = read_manifest(folder)
        for name, entry in entries.items():
            merge = name == "members" and name in manifest
            manifest[name] = manifest[name] | entry if merge else entry
        manifest["files"] = {p.name: sha256(p.read_bytes()) for p in sorted(folder.glob("*.weights.h5"))}
        write_whole(folder / MANIFEST, json.dumps(manifest, indent=2, sort_keys=True) + "\n")


def write_whole(path: Path, text: str) -> None:
    """Write a file in one step: a kill leaves the old one or the new one."""
    part = path.with_name(f"{path.name}.part")
    part.write_text(text)
    part.replace(path)


def unchanged(folder: Path, networks: Sequence[str]) -> bool:
    """Whether the weights files of these networks are there and are those that the manifest describes."""
    known = read_manifest(folder).get("files", {})
    paths = [weights_path(folder, name) for name in networks]
    return all(p.is_file() and known.get(p.name) == sha256(p.read_bytes()) for p in paths)


def _lock_path(folder: Path) -> Path:
    """Outside the folder: a lock among shipped weights would look like one of them."""
    return Path(tempfile.gettempdir()) / f"vcf-weights-{sha256(str(folder.resolve()).encode())[:16]}.lock"


def sha256(content: bytes) -> str:
    """Hexadecimal SHA-256."""
    return hashlib.sha256(content).hexdigest()


def _loaded(folder: Path, model: keras.Model) -> keras.Model:
    path = weights_path(folder, model.name)
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
