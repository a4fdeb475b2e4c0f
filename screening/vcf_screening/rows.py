# SPDX-License-Identifier: Apache-2.0
"""A row of the result: what became of one study. Nothing in it tells of the patient."""

import re
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from vcf_client.findings import Findings
from vcf_client.study import Acquisition
from vcf_contract import __version__
from vcf_contract.contract import STAGES

Row = dict[str, Any]

ANALYSED, REFUSED, FAILED = "analysed", "refused", "failed"
PATCH = pa.struct(
    [
        ("probability", pa.float64()),
        ("score", pa.float64()),
        ("positive", pa.bool_()),
        ("location", pa.float64()),
        ("box_mm", pa.list_(pa.float64())),
    ]
)
TIMINGS = ("fetch_ms", "throttle_ms", "read_ms", "send_ms", "wait_ms", "server_ms", "report_ms")
"""Where the time of a study went: getting its files, waiting for leave to ask the archive, reading them, building
messages, waiting for the server beyond its own work, the server's work, reports and pictures."""
SCHEMA = pa.schema(
    [
        ("study", pa.string()),
        ("state", pa.string()),
        ("series", pa.string()),
        ("score", pa.float64()),
        ("threshold", pa.float64()),
        ("positive", pa.bool_()),
        ("patches", pa.list_(PATCH)),
        ("flags", pa.list_(pa.string())),
        ("code", pa.string()),
        ("sentence", pa.string()),
        ("model_hash", pa.string()),
        ("contract_version", pa.string()),
        ("manufacturer", pa.string()),
        ("scanner", pa.string()),
        ("kernel", pa.string()),
        ("thickness_mm", pa.float64()),
        *((name, pa.float64()) for name in TIMINGS),
        ("attempts", pa.int32()),
        ("screened_at", pa.timestamp("ms", "UTC")),
    ]
)
_WORD = re.compile(r"[^A-Za-z0-9 ._/+()-]+")
_LONGEST_WORD = 40


def analysed(study: str, findings: Findings, acquisition: Acquisition) -> Row:
    """The row of a study that has a score."""
    return {
        **_row(study, ANALYSED),
        "series": findings.series_id,
        "score": findings.study_score,
        "threshold": findings.threshold,
        "positive": findings.positive,
        "patches": [
            {
                "probability": patch.probability,
                "score": patch.score,
                "positive": findings.is_positive(patch),
                "location": patch.location,
                "box_mm": [round(value, 2) for corner in patch.box_mm for value in corner],
            }
            for patch in findings.patches
        ],
        "flags": list(findings.flags),
        "model_hash": findings.model.hash,
        "manufacturer": word(acquisition.manufacturer),
        "scanner": word(acquisition.scanner),
        "kernel": word(acquisition.kernel),
        "thickness_mm": acquisition.thickness_mm,
        **timings(findings.timings_ms),
    }


def answered_without_score(study: str, state: str, model_hash: str, code: str, sentence: str) -> Row:
    """The row of a study that is refused, or failed."""
    return {**_row(study, state), "model_hash": model_hash, "code": code, "sentence": sentence}


def timings(ms: dict[str, float]) -> dict[str, float]:
    """The client's times of a study, as columns."""
    columns = {
        "read_ms": ms.get("read", 0.0),
        "send_ms": ms.get("prepare", 0.0),
        "wait_ms": ms.get("scout", 0.0) + ms.get("network", 0.0),
        "server_ms": sum(ms.get(stage, 0.0) for stage in STAGES),
    }
    return {name: round(value, 2) for name, value in columns.items()}


def word(text: str) -> str:
    """A name of a scanner or kernel, cut to what such names are made of."""
    return _WORD.sub("", text).strip()[:_LONGEST_WORD]


def now() -> str:
    """The time as rows have it before they are in a table."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def table(rows: list[Row]) -> pa.Table:
    """Rows as a table; what a row lacks is null."""
    typed = [{**row, "screened_at": datetime.fromisoformat(row["screened_at"])} for row in rows]
    return pa.Table.from_pylist(typed, schema=SCHEMA)


def _row(study: str, state: str) -> Row:
    return {"study": study, "state": state, "flags": [], "contract_version": __version__, "screened_at": now()}
