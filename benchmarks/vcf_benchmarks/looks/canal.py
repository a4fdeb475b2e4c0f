# SPDX-License-Identifier: Apache-2.0
"""``vcf bench canal``: how far the served centre line lies from the spinal cord of LIDC-IDRI-0001, slice by slice.

The CT was never trained or tuned on. Truth is the centroid of the published ``spinal_cord`` mask on each slice.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcf_benchmarks.harness.served import served
from vcf_benchmarks.harness.studies import demo_series
from vcf_client import VcfClient
from vcf_client.reader import read_study
from vcf_training.data.canal import lidc_canal_truth

WITHIN_MM = 5.0


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measure LIDC-IDRI-0001."""
    with served(args.server) as server, VcfClient(server.address) as client:
        return measure(client)


def table(figures: Mapping[str, Any]) -> list[str]:
    """Return the share of slices within 5 mm, and distances."""
    return [
        f"{figures['within_5_mm_share']:.1%} of {figures['slices']} slices within 5 mm, {figures['missed']} missed",
        f"median {figures['median_mm']} mm, 95 % within {figures['p95_mm']} mm, largest {figures['max_mm']} mm",
    ]


def measure(client: VcfClient, series: Path | None = None) -> dict[str, Any]:
    """Measure how far the served line lies from the mask's centre in the axial plane, on every slice that has both.

    A slice with cord but without a line counts as missed.
    """
    findings = client.analyze(read_study(series or demo_series()))
    volume, cord_mm = lidc_canal_truth()
    z_lps = volume.affine[2, 3] + np.arange(len(volume.hu)) * volume.affine[2, 2]
    cord_lps = volume.to_lps_mm(np.column_stack([cord_mm, np.arange(len(volume.hu)) * volume.spacing_mm[0]]))
    line = np.array(findings.centre_line_mm)
    return figures(_line_at(line, z_lps), cord_lps[:, :2])


def figures(line_mm: NDArray[np.float64], truth_mm: NDArray[np.float64]) -> dict[str, Any]:
    """Return the figures of two lines (n, 2), NaN where there is none."""
    has_truth = np.isfinite(truth_mm).all(1)
    off_mm = np.hypot(*(line_mm - truth_mm)[has_truth].T)
    found = off_mm[np.isfinite(off_mm)]
    within = np.nan_to_num(off_mm, nan=np.inf) <= WITHIN_MM
    return {
        "slices": int(has_truth.sum()),
        "missed": int(np.isnan(off_mm).sum()),
        "within_5_mm_share": round(float(within.mean()), 4),
        "median_mm": round(float(np.median(found)), 2),
        "p95_mm": round(float(np.percentile(found, 95)), 2),
        "max_mm": round(float(found.max()), 2),
    }


def _line_at(line_lps: NDArray[np.float64], z_lps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the line's x, y at these heights; NaN beyond its ends."""
    at = [np.interp(z_lps, line_lps[:, 2], line_lps[:, axis], left=np.nan, right=np.nan) for axis in (0, 1)]
    return np.stack(at, -1)
