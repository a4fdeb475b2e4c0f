# SPDX-License-Identifier: Apache-2.0
"""``summary.html``: what a screening has found by now, on a page that needs no other file and names nobody."""

import base64
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from jinja2 import Environment, StrictUndefined, Template

from vcf_client.findings import NOTICE
from vcf_contract.errors import SetupError
from vcf_screening import drift
from vcf_screening.archive import FAILED, PICTURES
from vcf_screening.compare import weights
from vcf_screening.dataset import STUDIES, open_dataset
from vcf_screening.estimate import LONGEST_GAP_S
from vcf_screening.rows import ANALYSED, REFUSED, TIMINGS

PAGE = "summary.html"
BINS = 20
HIGHEST = 20
_NEEDED = ["study", "state", "score", "positive", "code", "flags", "screened_at", *TIMINGS]
_MADE_BY = ("scanner", "kernel", "thickness")


@dataclass
class Figures:
    """All that the page shows of one screening, gathered batch by batch.

    hours
        Rows by hour, as ``2026-05-31 23``.
    time_ms
        Sum of each of `TIMINGS`.
    """

    model_hash: str
    states: Counter[str] = field(default_factory=Counter)
    positive: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    flags: Counter[str] = field(default_factory=Counter)
    bins: Counter[int] = field(default_factory=Counter)
    scores: list[float] = field(default_factory=list)
    thresholds: set[float] = field(default_factory=set)
    hours: Counter[str] = field(default_factory=Counter)
    time_ms: dict[str, float] = field(default_factory=lambda: dict.fromkeys(TIMINGS, 0.0))
    made_by: dict[str, Counter[str]] = field(default_factory=lambda: {name: Counter() for name in _MADE_BY})
    busy_s: float = 0.0

    @property
    def total(self) -> int:
        """Studies with a row."""
        return self.states.total()


def write(folder: Path, reference: Path | None = None) -> Path:
    """Write the page of a screening, for its latest weights; the path of the page.

    Raises
    ------
    SetupError
        If there is no row yet, or none in the reference.
    """
    figures = gather(folder)
    compared = _drift(gather(reference), figures) if reference else None
    widest = max((figures.bins[number] for number in range(BINS)), default=0) or 1
    text = _template().render(
        figures=figures,
        notice=NOTICE,
        analysed=figures.states[ANALYSED],
        refused=figures.states[REFUSED],
        failed=_failed(folder),
        bins=[(number / BINS, figures.bins[number], 100 * figures.bins[number] / widest) for number in range(BINS)],
        threshold=min(figures.thresholds, default=None),
        rate=figures.total / figures.busy_s if figures.busy_s else 0.0,
        times=_shares(figures.time_ms),
        highest=_highest(folder, figures.model_hash),
        drift=compared,
    )
    path = folder / PAGE
    partial = path.with_suffix(".partial")
    partial.write_text(text, "utf-8")
    partial.replace(path)
    return path


def gather(folder: Path) -> Figures:
    """The figures of the latest weights of a screening."""
    if not any((folder / STUDIES).glob("part-*.parquet")):
        raise SetupError(f"there is no row in {folder}/{STUDIES} yet")
    figures = Figures(weights(folder)[-1])
    columns = [*_NEEDED, "threshold", "scanner", "manufacturer", "kernel", "thickness_mm"]
    scanner = open_dataset(folder / STUDIES).scanner(
        columns=columns, filter=ds.field("model_hash") == figures.model_hash
    )
    moments = []
    for batch in scanner.to_batches():
        for row in batch.to_pylist():
            _count(figures, row)
        moments.append(batch.column("screened_at"))
    times_s = pc.sort_indices(pa.chunked_array(moments))
    ordered = pa.chunked_array(moments).take(times_s).cast(pa.int64()).to_numpy() / 1e3
    gaps = ordered[1:] - ordered[:-1]
    figures.busy_s = float(gaps[gaps <= LONGEST_GAP_S].sum())
    return figures


def _count(figures: Figures, row: dict[str, Any]) -> None:
    figures.states[row["state"]] += 1
    figures.hours[row["screened_at"].strftime("%Y-%m-%d %H")] += 1
    for name in TIMINGS:
        figures.time_ms[name] += row[name] or 0.0
    if row["state"] != ANALYSED:
        figures.codes[row["code"]] += 1
        return
    figures.positive += row["positive"]
    figures.flags.update(row["flags"])
    figures.scores.append(row["score"])
    figures.thresholds.add(row["threshold"])
    figures.bins[min(BINS - 1, int(row["score"] * BINS))] += 1
    figures.made_by["scanner"][f"{row['manufacturer'] or ''} {row['scanner'] or ''}".strip()] += 1
    figures.made_by["kernel"][row["kernel"] or ""] += 1
    figures.made_by["thickness"]["" if row["thickness_mm"] is None else f"{row['thickness_mm']:.1f} mm"] += 1


def _shares(time_ms: dict[str, float]) -> list[tuple[str, float]]:
    total = sum(time_ms.values()) or 1.0
    return [(name.removesuffix("_ms"), 100 * ms / total) for name, ms in time_ms.items()]


def _failed(folder: Path) -> Counter[str]:
    if not any((folder / FAILED).glob("part-*.parquet")):
        return Counter()
    return Counter(open_dataset(folder / FAILED).to_table(columns=["code"]).column(0).to_pylist())


def _highest(folder: Path, model_hash: str) -> list[dict[str, Any]]:
    """The studies of the highest scores, with their pictures where these are kept."""
    wanted = (ds.field("model_hash") == model_hash) & (ds.field("state") == ANALYSED)
    table = open_dataset(folder / STUDIES).to_table(columns=["study", "score", "positive", "flags"], filter=wanted)
    found = table.take(pc.select_k_unstable(table, HIGHEST, [("score", "descending"), ("study", "ascending")]))
    studies: list[dict[str, Any]] = found.to_pylist()
    for study in studies:
        png = folder / PICTURES / f"{study['study']}-{model_hash[:8]}.png"
        study["picture"] = base64.b64encode(png.read_bytes()).decode("ascii") if png.is_file() else ""
    return studies


def _drift(reference: Figures, now: Figures) -> dict[str, Any]:
    names = {"refusals and failures": (reference.codes, now.codes)}
    names |= {name: (reference.made_by[name], now.made_by[name]) for name in _MADE_BY}
    outcome = [Counter({**figures.states, "positive": figures.positive}) for figures in (reference, now)]
    return {
        "scores": drift.scores(reference.scores, now.scores),
        "same_weights": reference.model_hash == now.model_hash,
        "shares": [
            drift.shares("outcome", _outcome(outcome[0]), _outcome(outcome[1])),
            *(drift.shares(name, *both) for name, both in names.items()),
        ],
    }


def _outcome(states: Counter[str]) -> dict[str, int]:
    return {
        "positive": states["positive"],
        "negative": states[ANALYSED] - states["positive"],
        "refused": states[REFUSED],
    }


@cache
def _template() -> Template:
    return Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True).from_string(
        files("vcf_screening").joinpath(PAGE).read_text("utf-8")
    )
