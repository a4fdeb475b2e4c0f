# SPDX-License-Identifier: Apache-2.0
"""The report of one study: ``findings.json``, ``midsagittal.png`` and ``report.html``, which needs no other file."""

import base64
import time
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from io import BytesIO
from os import PathLike
from pathlib import Path

from jinja2 import Environment, StrictUndefined, Template

from vcf_client import flags, picture
from vcf_client.findings import Findings
from vcf_contract import contract

JSON_NAME, PICTURE_NAME, PAGE_NAME = "findings.json", "midsagittal.png", "report.html"
_COMPRESS_LEVEL = 3
"""The level of the PNG, which takes most of a report: twice as fast as the usual 6, for 7 % more bytes."""

STAGES: dict[str, str] = {
    "read": "Read and check the images",
    "prepare": "Build the request",
    "scout": "Find the spinal canal, with the way to the server and back",
    "network": "Network, and waiting for the server",
    **dict(
        zip(
            contract.STAGES,
            (
                "Read and check the images on the server",
                "Pick axial slices",
                "Find the spinal canal",
                "Fit the centre line",
                "Reconstruct the spine and cut patches",
                "Score the patches",
                "Combine the scores",
            ),
            strict=True,
        )
    ),
    "report": "Draw the picture",
}
"""What each time in the findings is for."""


@dataclass(frozen=True)
class _Bar:
    """One line of a bar chart; ``start`` and ``share`` in per cent of the whole."""

    label: str
    value_ms: float
    start: float
    share: float


def write_report(findings: Findings, folder: str | PathLike[str]) -> Findings:
    """Write ``findings.json``, ``midsagittal.png`` and ``report.html`` into a folder, which is made if need be.

    Returns
    -------
    Findings
        The same, with the time that drawing took as ``timings_ms["report"]``.

    Raises
    ------
    OSError
        If the folder cannot be written.
    """
    started = time.perf_counter()
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    png = BytesIO()
    picture.draw(findings).save(png, "PNG", compress_level=_COMPRESS_LEVEL)
    (folder / PICTURE_NAME).write_bytes(png.getvalue())
    drawn_ms = (time.perf_counter() - started) * 1e3
    findings = replace(findings, timings_ms={**findings.timings_ms, "report": drawn_ms})
    (folder / PAGE_NAME).write_text(render(findings, png.getvalue()), "utf-8")
    (folder / JSON_NAME).write_text(findings.to_json(), "utf-8")
    return findings


def render(findings: Findings, png: bytes) -> str:
    """The page as HTML text, with the picture inside it."""
    return _template().render(
        findings=findings,
        marked=[number for number, patch in enumerate(findings.patches, 1) if findings.is_positive(patch)],
        flags=[(flag, flags.meaning(flag)) for flag in findings.flags],
        stages=waterfall(findings.timings_ms),
        total_ms=sum(findings.timings_ms.values()),
        picture=base64.b64encode(png).decode("ascii"),
        json_name=JSON_NAME,
    )


@cache
def _template() -> Template:
    """Compiled once: it takes as long as the rest of the page for several studies."""
    return Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True).from_string(
        files("vcf_client").joinpath(PAGE_NAME).read_text("utf-8")
    )


def waterfall(timings_ms: dict[str, float]) -> list[_Bar]:
    """The stages one after the other, each bar beginning where the last one ended."""
    total = sum(timings_ms.values()) or 1.0
    bars, start = [], 0.0
    for stage, ms in timings_ms.items():
        share = 100 * ms / total
        bars.append(_Bar(STAGES.get(stage, stage), ms, start, share))
        start += share
    return bars
