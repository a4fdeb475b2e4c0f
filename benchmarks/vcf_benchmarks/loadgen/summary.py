# SPDX-License-Identifier: Apache-2.0
"""Tell what LoadGen wrote about one test."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SUMMARY, ACCURACY = "mlperf_log_summary.txt", "mlperf_log_accuracy.json"
_HEADLINES = {
    "SingleStream": (r"([\d.]+)th percentile latency \(ns\)", 1e-6),
    "Server": (r"Completed samples per second", 1.0),
    "Offline": (r"Samples per second", 1.0),
}
"""The line with each scenario's result, and what makes milliseconds of nanoseconds."""


@dataclass(frozen=True)
class Summary:
    """LoadGen's verdict.

    headline
        Latency in ms of SingleStream, samples a second of the others.
    satisfied
        Each of its conditions, e.g. ``Min queries``, ``Early stopping``, and for Server ``Performance constraints``.
    early_stopping
        Its sentences: what it says about the percentile with a confidence of 99 %, or how many queries it lacks.
    early_stopping_ms
        Its upper estimate of the scenario's percentile; None where it gives none.
    percentiles_ms
        As observed, by percentile.
    """

    scenario: str
    valid: bool
    headline: float
    satisfied: dict[str, bool]
    early_stopping: tuple[str, ...]
    early_stopping_ms: float | None
    percentiles_ms: dict[str, float]

    @classmethod
    def read(cls, folder: Path) -> "Summary":
        """Read the summary in a folder of logs.

        Raises
        ------
        ValueError
            If it is not one.
        """
        return cls.parse((folder / SUMMARY).read_text("utf-8"))

    @classmethod
    def parse(cls, text: str) -> "Summary":
        """Read the text of a summary; ValueError if it is none."""
        scenario = _found(r"^Scenario : (\w+)", text)
        pattern, unit = _HEADLINES[scenario]
        block = re.search(r"Early Stopping Result:\n((?: +.*\n)*)", text)
        sentences = re.split(r"\s*\n? \* ", " ".join(block[1].split()).join((" ", ""))) if block else []
        estimate = re.search(r"Early stopping [\d.]+th percentile estimate: (\d+)", text)
        return cls(
            scenario,
            _found(r"^Result is : (\w+)", text) == "VALID",
            float(_found(rf"^{pattern}\s*: (?P<value>[\d.e+]+)", text)) * unit,
            {
                name.strip(): answer.upper() == "YES"
                for name, answer in re.findall(r"^  ([A-Z][a-z ]+) satisfied *: *(\w+)", text, re.MULTILINE)
            },
            tuple(sentence.strip() for sentence in sentences if sentence.strip()),
            float(estimate[1]) * 1e-6 if estimate else None,
            {
                f"{float(percent):g}": float(ns) * 1e-6
                for percent, ns in re.findall(r"^([\d.]+) percentile latency \(ns\)\s*: (\d+)", text, re.MULTILINE)
            },
        )

    def entry(self) -> dict[str, Any]:
        """Return it as it stands in the JSON."""
        return {
            "scenario": self.scenario,
            "valid": self.valid,
            "headline": round(self.headline, 4),
            "satisfied": self.satisfied,
            "early_stopping": list(self.early_stopping),
            "early_stopping_ms": self.early_stopping_ms,
            "percentiles_ms": {percent: round(ms, 3) for percent, ms in self.percentiles_ms.items()},
        }


def logged_answers(folder: Path) -> list[tuple[int, NDArray[np.float32]]]:
    """Read sample number and answer of each query of an accuracy test, as LoadGen logged them."""
    entries = json.loads((folder / ACCURACY).read_text("utf-8"))
    return [(entry["qsl_idx"], np.frombuffer(bytes.fromhex(entry["data"]), np.float32)) for entry in entries]


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text, re.MULTILINE)
    if match is None:
        raise ValueError(f"LoadGen's summary has no line like {pattern!r}")
    return match["value"] if "value" in match.groupdict() else match[1]
