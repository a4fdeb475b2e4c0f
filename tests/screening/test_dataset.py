# SPDX-License-Identifier: Apache-2.0
"""Rows are there once, whatever moment the writer was killed at."""

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from vcf_contract.errors import SetupError
from vcf_screening import rows
from vcf_screening.dataset import Dataset, is_in, packed

HASHES = [f"{number:032x}" for number in range(0, 4000, 256)]  # last bytes of zero among them


def row(study: str, model_hash: str = "m1") -> rows.Row:
    return rows.answered_without_score(study, rows.REFUSED, model_hash, "NOT_CT", "no CT; a CT is accepted")


def studies(folder: Path) -> list[str]:
    return sorted(pd.read_parquet(folder)["study"])


def test_other_programs_open_it(tmp_path: Path) -> None:
    with Dataset(tmp_path / "studies", rows_a_part=4) as dataset:
        dataset.add(map(row, HASHES[:10]))
        dataset.add(map(row, HASHES[10:]))
    assert studies(tmp_path / "studies") == sorted(HASHES)
    found = duckdb.sql(f"SELECT count(*), count(DISTINCT study), min(state) FROM '{tmp_path}/studies/*.parquet'")
    assert found.fetchall() == [(len(HASHES), len(HASHES), "refused")]


def test_rows_are_on_the_disk_before_they_are_in_a_part(tmp_path: Path) -> None:
    with Dataset(tmp_path / "studies") as dataset:
        dataset.add([row(HASHES[1])])
        assert HASHES[1] in (tmp_path / ".studies.journal" / "part-000000.jsonl").read_text()
        assert not list((tmp_path / "studies").iterdir())


@pytest.mark.parametrize("cut", [0, 1, 40])
def test_a_journal_becomes_a_part_of_the_next_run(tmp_path: Path, cut: int) -> None:
    """A line that was cut off in the writing was never counted as done."""
    folder = tmp_path / "studies"
    code = (
        "import os, sys; from pathlib import Path; from vcf_screening import rows\n"
        "from vcf_screening.dataset import Dataset\n"
        "d = Dataset(Path(sys.argv[1])).__enter__()\n"
        "d.add(rows.answered_without_score(s, 'refused', 'm1', 'C', 's') for s in sys.argv[2:])\n"
        "os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(folder), *HASHES], check=False, timeout=300)
    assert killed.returncode == -9
    journal = tmp_path / ".studies.journal" / "part-000000.jsonl"
    if cut:
        os.truncate(journal, journal.stat().st_size - cut)
    with Dataset(folder) as dataset:
        done = dataset.done("m1")
        assert is_in(packed(HASHES), done).sum() == len(HASHES) - bool(cut)
        dataset.add(row(study) for study in np.array(HASHES)[~is_in(packed(HASHES), done)])
    assert studies(folder) == sorted(HASHES)


def test_a_part_and_the_journal_it_was_made_of_count_once(tmp_path: Path) -> None:
    """As if the process had been killed between the part and the end of its journal."""
    folder, journal = tmp_path / "studies", tmp_path / ".studies.journal" / "part-000000.jsonl"
    with Dataset(folder) as dataset:
        dataset.add(map(row, HASHES))
        kept = journal.read_bytes()
    journal.write_bytes(kept)
    with Dataset(folder):
        assert studies(folder) == sorted(HASHES)
    assert not journal.exists()


def test_half_a_part_is_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "studies"
    folder.mkdir()
    (folder / ".part-000000.parquet.partial").write_bytes(b"PAR1 half")
    with Dataset(folder) as dataset:
        dataset.add([row(HASHES[0])])
    assert studies(folder) == HASHES[:1]


def test_weights_count_apart(tmp_path: Path) -> None:
    with Dataset(tmp_path / "studies") as dataset:
        dataset.add([row(HASHES[0], "m1"), row(HASHES[1], "m2")])
        dataset.flush()
        assert is_in(packed(HASHES[:2]), dataset.done("m1")).tolist() == [True, False]
        assert len(dataset.done("m3")) == 0


def test_two_runs_do_not_write_to_one_folder(tmp_path: Path) -> None:
    with Dataset(tmp_path / "studies"), pytest.raises(SetupError, match="another screening writes"):
        Dataset(tmp_path / "studies").__enter__()
    with Dataset(tmp_path / "studies"):
        pass


def test_membership_of_any_bytes() -> None:
    """Against sets; hashes may end in zeros, which NumPy's byte strings leave out."""
    generator = np.random.default_rng(3)
    many = [generator.bytes(16).hex() for _ in range(300)] + HASHES + ["00" * 16, "ff" * 15 + "00"]
    those = np.sort(packed(many[::2]))
    assert is_in(packed(many), those).tolist() == [each in set(many[::2]) for each in many]
