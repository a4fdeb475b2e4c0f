# SPDX-License-Identifier: Apache-2.0
"""``vcf train ablation``: the paper's choices side by side, as its Figure 3a compares them, picture, table and JSON."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from vcf_training import store
from vcf_training.architecture import FIGURE_3A, VARIANTS
from vcf_training.candidates import Outcome
from vcf_training.ensemble import train_all
from vcf_training.evaluation import intervals
from vcf_training.presets import MemberPreset
from vcf_training.search import CHANGES, Candidate
from vcf_training.train import Training

ABLATION = "ablation"
SERVED = "as served"
SETTINGS: dict[str, dict[str, Any]] = {
    SERVED: {},
    **{name: CHANGES[name] for name in ("patch-24", "patch-16", "window-bone", "window-soft")},
}
"""Patch sizes and windows under which the approaches of Figure 3a are compared."""


@dataclass(frozen=True)
class Cell:
    """One training of the comparison."""

    variant: str
    setting: str
    candidate: Candidate


def cells(preset: MemberPreset, seed: int) -> list[Cell]:
    """Every variant on the served patches, those of Figure 3a under all settings.

    One seed for all, so that nothing else differs.
    """
    wanted = [(variant, SERVED) for variant in VARIANTS]
    wanted += [(variant, setting) for setting in SETTINGS if setting != SERVED for variant in FIGURE_3A]
    return [
        Cell(
            variant,
            setting,
            Candidate(
                f"{ABLATION}-{variant}-{setting.replace(' ', '-')}",
                replace(preset, architecture=VARIANTS[variant], **SETTINGS[setting]),
                seed + 1,
            ),
        )
        for variant, setting in wanted
    ]


def ablation(training: Training, ray: str | None = None) -> dict[str, Any]:
    """Train every cell, then write OUT/ablation.json, .md and .png."""
    compared = cells(training.preset.member, training.seed)
    studies = training.load_studies()
    outcomes = train_all(training, [c.candidate for c in compared], studies, ray)
    rows = [_row(c, o, studies[1].study_label) for c, o in zip(compared, outcomes, strict=True)]
    result = {
        "rows": rows,
        "preset": training.preset.name,
        "steps": training.preset.member.steps,
        "seed": training.seed,
        "tuning_studies": len(studies[1]),
        "data": training.figures_of,
    }
    store.write_whole(training.out / f"{ABLATION}.json", json.dumps(result, indent=2) + "\n")
    text = table(rows)
    store.write_whole(training.out / f"{ABLATION}.md", text)
    draw(result, training.out / f"{ABLATION}.png")
    return result | {"table": text}


def _row(cell: Cell, outcome: Outcome, labels: Any) -> dict[str, Any]:
    try:
        interval: list[float] | None = intervals.auc(labels, outcome.scores).interval
    except ValueError:  # fewer than two studies of a class
        interval = None
    return {
        "variant": cell.variant,
        "setting": cell.setting,
        "auc": outcome.auc,
        "auc_interval": interval,
        "best_step": outcome.step,
        "minutes": outcome.minutes,
    }


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Markdown, a line a training."""
    lines = ["| variant | patches | tuning AUC | 95 % interval |", "|---|---|---|---|"]
    for row in rows:
        interval = row["auc_interval"]
        shown = f"{interval[0]:.3f}–{interval[1]:.3f}" if interval else "too few studies"
        lines.append(f"| {row['variant']} | {row['setting']} | {row['auc']:.3f} | {shown} |")
    return "\n".join(lines) + "\n"


def draw(result: dict[str, Any], path: Path) -> None:
    """Left, the approaches of Figure 3a under each setting; right, every variant on the served patches."""
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2), sharex=False)
    rows = result["rows"]
    for number, variant in enumerate(FIGURE_3A):
        own = {r["setting"]: r for r in rows if r["variant"] == variant}
        names = [name for name in SETTINGS if name in own]
        places = [list(SETTINGS).index(name) + (number - 1) * 0.2 for name in names]
        _points(left, places, [own[name] for name in names], f"C{number}", variant)
    left.set_xticks(range(len(SETTINGS)), list(SETTINGS))
    left.set_ylabel("ROC AUC on tuning studies")
    left.set_title("Approaches of the paper's Figure 3a", fontsize=10)
    left.legend(frameon=False, fontsize=8, ncols=len(FIGURE_3A), loc="upper center", bbox_to_anchor=(0.5, -0.08))
    served = sorted((r for r in rows if r["setting"] == SERVED), key=lambda r: r["auc"])
    for place, row in enumerate(served):
        low, high = row["auc_interval"] or (row["auc"], row["auc"])
        right.plot([low, high], [place, place], color="0.6")
        right.plot([row["auc"]], [place], "o", color="C0")
    right.set_yticks(range(len(served)), [r["variant"] for r in served], fontsize=8)
    right.set_xlabel("ROC AUC")
    right.set_title("All variants, patches as served", fontsize=10)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
    figure.suptitle(
        f"{result['tuning_studies']} tuning studies ({result['data']}), preset {result['preset']},"
        f" {result['steps']} steps; bars: 95 % intervals (DeLong)",
        fontsize=9,
    )
    figure.savefig(path, dpi=130)


def _points(axes: Any, places: Sequence[float], rows: Sequence[dict[str, Any]], colour: str, label: str) -> None:
    for place, row in zip(places, rows, strict=True):
        if row["auc_interval"]:
            axes.plot([place, place], row["auc_interval"], color=colour, alpha=0.5)
    axes.plot(places, [r["auc"] for r in rows], "o", color=colour, label=label)
