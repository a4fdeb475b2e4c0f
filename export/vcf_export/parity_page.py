# SPDX-License-Identifier: Apache-2.0
"""The parity checks as one HTML page: the table, and every study's difference by every check."""

from collections.abc import Mapping
from html import escape
from math import log10
from pathlib import Path
from typing import Any

FILE = "parity.html"
FLOOR = 1e-9
"""Smaller differences are drawn here: float32 has no more digits."""
WIDTH, HEIGHT, LEFT, BOTTOM = 300, 150, 44, 22
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #1b2330 }
table { border-collapse: collapse; width: 100% } td, th { padding: .35rem .6rem; border-bottom: 1px solid #d8dde5 }
th { text-align: left; font-weight: 600 } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums }
.no { color: #a11; font-weight: 600 } .yes { color: #176b3a } .not { color: #667 }
figure { display: inline-block; margin: 1rem 1rem 0 0 } figcaption { font-weight: 600 } svg text { font-size: 10px }
"""


def write_page(folder: Path, figures: Mapping[str, Any]) -> Path:
    """Write ``parity.html`` into ``folder``; its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE
    path.write_text(page(figures), "utf-8")
    return path


def page(figures: Mapping[str, Any]) -> str:
    """The page; needs no other file and no network."""
    kinds = ", ".join(f"{n} {escape(kind)}" for kind, n in figures["studies"].items())
    auc = figures["reference_auc"]
    checks = figures["checks"]
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Parity checks</title><style>{STYLE}</style>
<h1>Parity checks</h1>
<p>{sum(figures["studies"].values())} studies ({kinds}), {figures["fractured"]} with fractures; the Keras models refuse
{figures["refused"]}. Threshold {figures["threshold"]:.4f}; ROC AUC of the Keras models
{"–" if auc is None else f"{auc:.4f}"}. Fractures are synthetic: the checks compare forms with each other, and says
nothing about patients.</p>
<table><tr><th>check<th class="n">patch score, largest<th class="n">mean<th class="n">study score, largest
<th class="n">mean<th class="n">decision flips<th class="n">AUC ratio<th class="n">99 %<th class="n">99.9 %<th>tolerance
<th></tr>
{"".join(map(_row, checks))}</table>
<h2>Every study</h2>
<p>Difference of the study score from that of the Keras models (vertical, logarithmic) by that score (horizontal); the
line is the threshold.</p>
{"".join(_figure(check["name"], figures) for check in checks if not check["not_run"])}
</html>
"""


def _row(check: Mapping[str, Any]) -> str:
    name = escape(check["name"])
    if check["not_run"]:
        return f'<tr><td>{name}<td class="not" colspan="10">{escape(check["not_run"])}</tr>\n'
    ratio = "–" if check["auc_ratio"] is None else f"{check['auc_ratio']:.4f}"
    numbers = [f"{check[f'{which}_{of}_difference']:.1e}" for of in ("patch", "study") for which in ("max", "mean")]
    numbers += [str(check["decision_flips"]), ratio, *("yes" if kept else "no" for kept in check["gates"].values())]
    cells = "".join(f'<td class="n">{number}' for number in numbers)
    verdict = '<td class="yes">passed' if check["passed"] else '<td class="no">not passed'
    return f"<tr><td>{name}{cells}<td>{escape(check['tolerance'])}{verdict}</tr>\n"


def _figure(name: str, figures: Mapping[str, Any]) -> str:
    reference = figures["reference"]
    pairs = [(s[reference], s[name]) for s in figures["scores"].values() if None not in (s[reference], s[name])]
    dots = "".join(
        f'<circle cx="{_x(one):.1f}" cy="{_y(abs(one - other)):.1f}" r="2.5" fill="#2b5fa8" fill-opacity=".6"/>'
        for one, other in pairs
    )
    ticks = "".join(
        f'<line x1="{LEFT}" x2="{WIDTH}" y1="{_y(10.0**e):.1f}" y2="{_y(10.0**e):.1f}" stroke="#e3e7ee"/>'
        f'<text x="{LEFT - 6}" y="{_y(10.0**e) + 3:.1f}" text-anchor="end">1e{e}</text>'
        for e in range(-9, 1, 3)
    )
    axis = "".join(f'<text x="{_x(v):.1f}" y="{HEIGHT - 6}" text-anchor="middle">{v:g}</text>' for v in (0, 0.5, 1))
    at = f"{_x(figures['threshold']):.1f}"
    return (
        f'<figure><figcaption>{escape(name)}</figcaption><svg width="{WIDTH + 10}" height="{HEIGHT}" role="img">'
        f'{ticks}{axis}<line x1="{at}" x2="{at}" y1="4" y2="{HEIGHT - BOTTOM}" stroke="#a11"/>{dots}</svg></figure>\n'
    )


def _x(score: float) -> float:
    return LEFT + score * (WIDTH - LEFT)


def _y(difference: float) -> float:
    share = log10(max(difference, FLOOR)) / log10(FLOOR)
    return 4 + min(1.0, share) * (HEIGHT - BOTTOM - 4)
