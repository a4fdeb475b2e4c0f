# SPDX-License-Identifier: Apache-2.0
"""The state of a training on disk, so that a killed training goes on where it was and ends with the same weights."""

import hashlib
import json
import os
import time
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from vcf_contract.errors import SetupError

EVERY = 50
"""Steps between two checkpoints: some seconds of work are lost at most, and writing one takes milliseconds."""
_STATE = "state"

Arrays = Mapping[str, Sequence[NDArray[Any]]]


@dataclass
class Checkpoint:
    """One file, replaced in one step, that belongs to one training.

    settings
        Everything that decides the weights, as JSON takes it. Another training's checkpoint is refused.
    every
        Steps from one checkpoint to the next.
    """

    path: Path
    settings: Mapping[str, Any]
    every: int = EVERY
    _began: float = field(default_factory=time.monotonic, init=False)
    _seconds_before: float = field(default=0.0, init=False)

    @property
    def seconds(self) -> float:
        """Tell how long this training has taken, with what it took before its interruptions."""
        return self._seconds_before + time.monotonic() - self._began

    def begin(self) -> None:
        """The training begins now: what was before was waiting."""
        self._began = time.monotonic()

    def due(self, step: int) -> bool:
        """Tell whether the state after ``step`` steps is to be kept."""
        return step % self.every == 0

    def save(self, state: Mapping[str, Any], arrays: Arrays) -> None:
        """Write the state (plain JSON types) and lists of arrays; a kill at any time leaves the old or the new file."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_name(f"{self.path.name}.part")
        named = {f"{name}/{i}": array for name, group in arrays.items() for i, array in enumerate(group)}
        text = json.dumps({"settings": self.settings, "state": state, "seconds": self.seconds})
        with part.open("wb") as file:
            np.savez(file, **{_STATE: np.array(text)}, **named)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self.path)

    def load(self) -> tuple[dict[str, Any], dict[str, list[NDArray[Any]]]] | None:
        """State and arrays of the last checkpoint; None where there is none.

        Raises
        ------
        SetupError
            The file cannot be read, or belongs to a training with other settings.
        """
        if not self.path.is_file():
            return None
        try:
            with np.load(self.path, allow_pickle=False) as stored:
                content = json.loads(str(stored[_STATE]))
                arrays: dict[str, list[NDArray[Any]]] = {}
                for key in stored.files:
                    if key != _STATE:
                        arrays.setdefault(key.partition("/")[0], []).append(stored[key])
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            reason = str(error).partition("\n")[0]
            raise SetupError(f"the checkpoint {self.path} cannot be read ({reason}): remove it to start anew") from None
        if different := list(differences(content["settings"], as_json(self.settings))):
            raise SetupError(
                f"the checkpoint {self.path} belongs to another training ({'; '.join(different[:3])}):"
                " repeat that training's command, name another output folder, or start anew with --fresh"
            )
        self._seconds_before = content["seconds"]
        return content["state"], arrays

    def remove(self) -> None:
        """Delete the checkpoint: after the last step nothing is left to go on with."""
        self.path.unlink(missing_ok=True)


def differences(there: Any, here: Any, name: str = "") -> Iterator[str]:
    """Say in words where recorded settings differ from those of today.

    A setting that the record does not know did not exist when it was written, and does not count.
    """
    if isinstance(there, dict) and isinstance(here, dict):
        for key in sorted(there):
            yield from differences(there[key], here.get(key), f"{name}.{key}" if name else key)
    elif there != here:
        yield f"{name} is {there} there and {here} here"


def as_json(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as a file gives them back: tuples have become lists."""
    found: dict[str, Any] = json.loads(json.dumps(settings))
    return found


def settings_of(preset: Any, seed: int, data: str, **more: Any) -> dict[str, Any]:
    """Tell what decides the weights of a training: its preset, its seed, a digest of its data, and ``more``."""
    return {"preset": asdict(preset), "seed": seed, "data": data, **more}


def digest(*items: Any) -> str:
    """16 hexadecimal digits that change with any array in ``items``: arrays, or dataclasses of arrays."""
    found = hashlib.sha256()
    for item in items:
        arrays = [item] if isinstance(item, np.ndarray) else [getattr(item, f.name) for f in fields(item)]
        for array in arrays:
            found.update(f"{array.dtype.str}{array.shape}".encode())
            found.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return found.hexdigest()[:16]


def values(variables: Iterable[keras.Variable]) -> list[NDArray[Any]]:
    """Copies of what variables hold."""
    return [np.array(v.numpy()) for v in variables]


def assign(variables: Sequence[keras.Variable], stored: Sequence[NDArray[Any]]) -> None:
    """Put back what ``values`` took."""
    for variable, value in zip(variables, stored, strict=True):
        variable.assign(value)


def make_deterministic(seed: int) -> None:
    """Seed everything and make every TensorFlow operation of this process repeatable bit by bit.

    Without the second part, sums that are shared out to threads come out in another order each time.
    """
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
