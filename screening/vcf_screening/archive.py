# SPDX-License-Identifier: Apache-2.0
"""The folder that a screening writes to: the dataset, what failed, and what only its owner may read.

``private/`` holds the key of the names, the list of studies and the file that joins both; whoever has it can tell whose
row is whose. Nothing else in the folder can.
"""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from vcf_client.gateway.key import Key
from vcf_contract.errors import SetupError
from vcf_screening import manifest
from vcf_screening.dataset import HASH, STUDIES, is_in, packed
from vcf_screening.key import load_secret
from vcf_screening.manifest import Entry

FAILED, PICTURES, PRIVATE = "failed", "pictures", "private"
_KIND = "study"
_IDS = pa.schema([("study", pa.string()), ("id", pa.string())])


class Archive:
    """Names and paths of one screening."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.private = folder / PRIVATE
        self.private.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.secret = load_secret(self.private / "hash.key")
        self.key = Key(self.secret)
        self._expect_same_key()

    @property
    def studies(self) -> Path:
        """Folder of the dataset."""
        return self.folder / STUDIES

    @property
    def failed(self) -> Path:
        """Folder of the studies that the last run gave up."""
        return self.folder / FAILED

    @property
    def manifest(self) -> Path:
        """The list that was made of the source."""
        return self.private / "manifest.parquet"

    def name(self, entry: Entry) -> str:
        """Tell what a study is called in the result."""
        return self.key.name(_KIND, entry.id)

    def picture(self, study: str, model_hash: str) -> Path:
        """Tell where the picture of a study is kept."""
        return self.folder / PICTURES / f"{study}-{model_hash[:8]}.png"

    def keep_picture(self, study: str, model_hash: str, png: bytes) -> None:
        """Write a picture, whole or not at all."""
        path = self.picture(study, model_hash)
        path.parent.mkdir(exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_bytes(png)
        partial.replace(path)

    def write_ids(self, path: Path) -> NDArray[np.bytes_]:
        """Write the file that joins names to the archive's ids; the names of all studies of a list, in its order."""
        names = [np.empty(0, HASH)]
        found, target = manifest.read(path), self.private / "ids.parquet"
        partial = target.with_suffix(".partial")
        with manifest.private_file(partial) as file, pq.ParquetWriter(file, _IDS) as writer:
            while batch := list(islice(found, manifest.ROWS_A_BATCH)):
                studies = [self.name(entry) for entry in batch]
                writer.write_table(pa.table([studies, [entry.id for entry in batch]], schema=_IDS))
                names.append(packed(studies))
        partial.replace(target)
        return np.concatenate(names)

    def _expect_same_key(self) -> None:
        """Raise SetupError where the names in this folder were made with another key: each study would come twice."""
        path = self.folder / "run.json"
        print_of_key = self.key.name("key", "")
        if not path.exists():
            path.write_text(json.dumps({"key": print_of_key}) + "\n", "utf-8")
        elif json.loads(path.read_text("utf-8")).get("key") != print_of_key:
            raise SetupError(
                "the rows in this folder were made with another key: set VCF_HASH_KEY as it was, or restore "
                f"{PRIVATE}/hash.key; otherwise give another folder"
            )


def to_do(names: NDArray[np.bytes_], done: NDArray[np.bytes_]) -> NDArray[np.bool_]:
    """Tell which studies of a list are to be screened: not those that are done, nor a study's second place on the
    list."""
    wanted = np.zeros(len(names), bool)
    wanted[np.unique(names, return_index=True)[1]] = True
    return wanted & ~is_in(names, done)


def chosen(
    entries: Iterable[Entry], names: NDArray[np.bytes_], wanted: NDArray[np.bool_]
) -> Iterator[tuple[str, Entry]]:
    """The studies to be screened, with their names."""
    for number, entry in enumerate(entries):
        if wanted[number]:
            yield names[number].ljust(HASH.itemsize, b"\0").hex(), entry
