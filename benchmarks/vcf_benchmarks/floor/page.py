# SPDX-License-Identifier: Apache-2.0
"""The page of ``vcf bench floor``."""

from collections.abc import Mapping
from typing import Any

from vcf_benchmarks.floor.goals import GOALS, PAPER_CORES, PAPER_S, SGEMM_SIDE
from vcf_benchmarks.harness.page import Document, Section, axes_of, svg


def sections(document: Document) -> list[Section]:
    """Return the sections of the page."""
    studies, rates = document["figures"]["studies"], document["figures"]["rates"]
    return [
        Section(
            "Times the floor",
            f"Floor: {rates['sgemm_gflop_per_s']:.0f} GFLOP/s of a matrix product of {SGEMM_SIDE} × {SGEMM_SIDE} and "
            f"{rates['memcpy_gb_per_s']:.1f} GB/s of copying, medians of the same run. The line is the goal.",
            _picture(studies),
            ("study", "patches", "GFLOP", "MB", "floor ms", "p50 ms", "times the floor"),
            [
                (
                    way,
                    one["patches"],
                    one["gflop"],
                    one["volume_mb"],
                    one["floor_ms"],
                    one["p50"]["ms"],
                    one["times_floor"],
                )
                for way, one in studies.items()
            ],
        ),
        Section(
            "Core-seconds a study",
            "Processor time of client and server together. The paper gives the mean time of a case on a machine of "
            f"{PAPER_CORES} cores; it does not say how busy they were, so its figure is an upper end.",
            header=("study", "core-seconds"),
            rows=[
                *((way, one["core_s"]) for way, one in studies.items()),
                (f"paper, {PAPER_S} s on {PAPER_CORES} cores", PAPER_S * PAPER_CORES),
            ],
        ),
    ]


def _picture(studies: Mapping[str, Any]) -> str:
    figure, axes = axes_of(7, 2.2)
    for row, (way, one) in enumerate(studies.items()):
        axes.barh(row, one["p50"]["ms"], color="tab:blue", height=0.6)
        axes.barh(row, one["floor_ms"], color="tab:gray", height=0.6)
        axes.plot([one["floor_ms"] * GOALS[way]] * 2, [row - 0.4, row + 0.4], color="tab:red")
    axes.set_yticks(range(len(studies)), list(studies))
    axes.set_xlabel("ms at the median; grey is the floor")
    axes.invert_yaxis()
    return svg(figure)
