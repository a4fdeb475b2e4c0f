# SPDX-License-Identifier: Apache-2.0
"""The report's plots as ``<svg>`` elements: ROC, FROC, reliability."""

from collections.abc import Iterable, Sequence
from io import StringIO
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import ArrayLike, NDArray

from vcf_training.evaluation.calibration import Calibration

INK, ACCENT, SECOND, THIRD, RULE = "#16202a", "#0b6e99", "#b35900", "#6b4fa0", "#c9d1d8"
"""Colours that any colour vision tells apart; the lines differ in their dashes as well."""
_Array = NDArray[np.float64]
Line = tuple[str, ArrayLike, ArrayLike]
"""Name, labels, scores."""


def roc_points(labels: ArrayLike, scores: ArrayLike) -> tuple[_Array, _Array]:
    """False positive and true positive rate at every threshold, from (0, 0) to (1, 1)."""
    y, s = np.asarray(labels, bool), np.asarray(scores, float)
    order = np.argsort(-s, kind="stable")
    last = np.append(np.diff(s[order]) != 0, True)  # equal scores are called together
    true, false = np.cumsum(y[order])[last], np.cumsum(~y[order])[last]
    return np.append(0.0, false / max(1, (~y).sum())), np.append(0.0, true / max(1, y.sum()))


def roc(lines: Sequence[Line], band: tuple[ArrayLike, ArrayLike, Sequence[Any]], point: tuple[float, float]) -> str:
    """ROC curves; the first with a band of its bootstrap (labels, scores, groups) and the served operating point."""
    figure, axes = _axes("false positive rate (1 − specificity)", "sensitivity")
    axes.plot([0, 1], [0, 1], color=RULE, linewidth=1)
    at = np.linspace(0, 1, 101)
    low, high = _roc_band(*band, at)
    axes.fill_between(at, low, high, color=ACCENT, alpha=0.15, linewidth=0)
    styles = zip((ACCENT, SECOND, THIRD, INK), ("-", "--", "-.", ":"), strict=True)
    for (name, labels, scores), (colour, dash) in zip(lines, styles, strict=False):
        axes.plot(*roc_points(labels, scores), color=colour, linestyle=dash, label=name)
    axes.plot(*point, marker="o", color=ACCENT, linestyle="none", label="operating point")
    axes.legend(loc="lower right", fontsize=8)
    return _svg(figure)


def _roc_band(labels: ArrayLike, scores: ArrayLike, groups: Sequence[Any], at: _Array) -> tuple[_Array, _Array]:
    """Pointwise 95 % band of the sensitivity, 400 samples of whole groups."""
    y, s = np.asarray(labels, bool), np.asarray(scores, float)
    number = np.unique(np.asarray(groups, str), return_inverse=True)[1]
    members = [np.flatnonzero(number == i) for i in range(number.max() + 1)]
    rng = np.random.default_rng(0)
    curves = []
    for _ in range(400):
        chosen = np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))])
        if 0 < y[chosen].sum() < len(chosen):
            false, true = roc_points(y[chosen], s[chosen])
            curves.append(np.interp(at, false, true))
    low, high = np.percentile(curves, [2.5, 97.5], axis=0)
    return low, high


def froc(curve: dict[str, Any], rates: Iterable[dict[str, Any]]) -> str:
    """Sensitivity over false positive boxes a scan, on a logarithmic axis, with intervals at the usual rates."""
    figure, axes = _axes("false positive boxes a scan", "share of fractures found")
    rates = list(rates)
    axes.set_xscale("log", base=2)
    axes.set_xlim(rates[0]["false_boxes_per_scan"] / 1.4, rates[-1]["false_boxes_per_scan"] * 1.4)
    false = np.array(curve["false_boxes_per_scan"])
    axes.step(np.maximum(false, 1e-3), curve["sensitivity"], where="post", color=ACCENT)
    for rate in rates:
        x, (low, high) = rate["false_boxes_per_scan"], rate["interval"]
        axes.plot([x, x], [low, high], color=INK, linewidth=1)
        axes.plot(x, rate["sensitivity"], "o", color=ACCENT, markersize=4)
    shown = [rate["false_boxes_per_scan"] for rate in rates]
    axes.set_xticks(shown, [f"1/{round(1 / x)}" if x < 1 else f"{x:g}" for x in shown])
    return _svg(figure)


def reliability(found: Calibration) -> str:
    """Share of fractured studies over the mean score of each bin; dots grow with the number of studies."""
    figure, axes = _axes("mean score", "share of fractured studies")
    axes.plot([0, 1], [0, 1], color=RULE, linewidth=1)
    most = max(b.studies for b in found.bins)
    for b in found.bins:
        axes.plot([b.mean_score] * 2, [b.fractured.low, b.fractured.high], color=INK, linewidth=1)
        size = 3 + 7 * np.sqrt(b.studies / most)
        axes.plot(b.mean_score, b.fractured.value, "o", color=ACCENT, markersize=size)
    return _svg(figure)


def _axes(x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(4.6, 4.0), layout="constrained")
    axes = figure.add_subplot()
    axes.set(xlabel=x, ylabel=y, xlim=(0, 1), ylim=(0, 1.01))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.grid(color=RULE, linewidth=0.4)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure, axes


def _svg(figure: Figure) -> str:
    out = StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None})
    drawn = out.getvalue()
    return drawn[drawn.index("<svg") :]
