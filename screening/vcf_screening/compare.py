# SPDX-License-Identifier: Apache-2.0
"""Two weights over the same studies: who changed sides."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds

from vcf_contract.errors import UsageError
from vcf_screening.dataset import STUDIES, open_dataset
from vcf_screening.rows import ANALYSED

POSITIVE, NEGATIVE = "positive", "negative"
_COLUMNS = ["study", "state", "score", "threshold", "positive", "code"]


@dataclass(frozen=True)
class Comparison:
    """Tell how the rows of two weights differ.

    table
        Number of studies by what they were and what they are: ``positive``, ``negative`` or a refusal's code.
    changed
        A study each that is on the other side now, or was refused and is not, or the reverse; the largest change of
        the score first.
    only_old, only_new
        Studies that have a row for one of the weights alone.
    """

    old: str
    new: str
    table: dict[tuple[str, str], int]
    changed: list[dict[str, Any]]
    only_old: int
    only_new: int
    mean_change: float
    mean_absolute_change: float


def weights(folder: Path) -> list[str]:
    """Hashes of all weights that have rows, in the order in which they came."""
    table = open_dataset(folder / STUDIES).to_table(columns=["model_hash", "screened_at"])
    last = table.group_by("model_hash").aggregate([("screened_at", "min")]).sort_by("screened_at_min")
    return [str(each) for each in last.column("model_hash").to_pylist()]


def chosen(folder: Path, old: str | None, new: str | None) -> tuple[str, str]:
    """The hashes that two beginnings stand for; by default the last two.

    Raises
    ------
    UsageError
        If a beginning stands for none or several, or there is nothing to compare.
    """
    found = weights(folder)
    if len(found) < 2:
        raise UsageError(f"the screening has rows of {len(found)} weights; two are compared")
    return _one(found, "--old", old, found[-2]), _one(found, "--new", new, found[-1])


def _one(found: list[str], option: str, beginning: str | None, default: str) -> str:
    if beginning is None:
        return default
    fit = [each for each in found if each.startswith(beginning)]
    if len(fit) != 1:
        raise UsageError(f"{option} is {beginning!r}, the beginning of {len(fit)} hashes; there are {', '.join(found)}")
    return fit[0]


def compare(folder: Path, old: str, new: str) -> Comparison:
    """Compare the rows of two weights."""
    before, after = _rows(folder, old), _rows(folder, new)
    both = before.join(after, "study", join_type="inner", right_suffix="_new").to_pylist()
    table: dict[tuple[str, str], int] = {}
    changed: list[dict[str, Any]] = []
    changes: list[float] = []
    for row in both:
        was, now = _side(row, ""), _side(row, "_new")
        table[was, now] = table.get((was, now), 0) + 1
        if row["score"] is not None and row["score_new"] is not None:
            changes.append(row["score_new"] - row["score"])
        if was != now:
            scores = {"old_score": row["score"], "new_score": row["score_new"]}
            changed.append({"study": row["study"], "was": was, "now": now, **scores})
    changed.sort(key=lambda each: (-abs((each["new_score"] or 0.0) - (each["old_score"] or 0.0)), each["study"]))
    moved = np.array(changes or [0.0])
    return Comparison(
        old,
        new,
        table,
        changed,
        len(before) - len(both),
        len(after) - len(both),
        float(moved.mean()),
        float(np.abs(moved).mean()),
    )


def _rows(folder: Path, model_hash: str) -> pa.Table:
    return open_dataset(folder / STUDIES).to_table(columns=_COLUMNS, filter=ds.field("model_hash") == model_hash)


def _side(row: dict[str, Any], suffix: str) -> str:
    if row[f"state{suffix}"] != ANALYSED:
        return str(row[f"code{suffix}"])
    return POSITIVE if row[f"positive{suffix}"] else NEGATIVE
