# SPDX-License-Identifier: Apache-2.0
"""The run of ``vcf bench preprocess``: our preparation on one core against the obvious ways, in time and in truth."""

import argparse
import os
import statistics
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from vcf_benchmarks.harness import options, validity
from vcf_benchmarks.harness.distribution import encoded
from vcf_benchmarks.harness.result import Result
from vcf_benchmarks.harness.timing import one_core, paired_ms, summary
from vcf_benchmarks.harness.windows import recent, rounds_of, until_settled
from vcf_benchmarks.preprocess import truth
from vcf_benchmarks.preprocess import ways as resampling
from vcf_benchmarks.preprocess.case import Shape, case, target
from vcf_benchmarks.preprocess.options import GOAL_PIXELS, GOAL_SLICES
from vcf_benchmarks.preprocess.ways import OURS
from vcf_preprocess.patches import extract

GOAL = "volume and centre line to patches, one core, 300 slices, ms"
MOST_WINDOWS = 6


def run(args: argparse.Namespace) -> Result:
    """Time every way that is installed, in turn, and hold their resampling to a formula."""
    options.at_least(args, slices=160, pixels=256, runs=3)
    result = Result("preprocess", {"slices": args.slices, "pixels": args.pixels, "runs": args.runs})
    measure(result, args.slices, args.pixels, args.runs)
    for name, figures in result.figures["ways"].items():
        print(f"{name:<22}{figures['median_ms']:>10.1f} ms{figures['over_ours']['median']:>10.1f} × ours")
    for name, why in result.figures["skipped"].items():
        print(f"{name:<22}skipped: {why}")
    return result


def measure(result: Result, slices: int, pixels: int, runs: int) -> None:
    """Time the ways in turn, and write what was found into the result."""
    hu, spacing, line = case(Shape(slices=slices, pixels=pixels))
    here = [way for way in resampling.PEERS if way.missing() is None]
    ways: dict[str, Any] = {OURS: lambda: extract(hu, spacing, line)}
    ways |= {way.name: lambda way=way: way.patches(hu, spacing, line) for way in here}
    with validity.watched(os.getpid()) as watch, one_core(), ThreadpoolController().limit(limits=1, user_api="blas"):
        times: dict[str, list[float]] = {name: [] for name in ways}

        def window() -> None:
            for name, ms in paired_ms(rounds_of(runs), **ways).items():
                times[name] += ms

        windows = until_settled(
            window, lambda: bool(target(GOAL, times[OURS], rounds_of(runs)).unsettled), MOST_WINDOWS
        )
        errors = truth.errors(here)
    reached = target(GOAL, times[OURS], rounds_of(runs))
    times = {name: list(recent(ms, rounds_of(runs))) for name, ms in times.items()}
    shapes = {name: np.shape(way().patches) for name, way in ways.items()}
    result.figures = {
        "volume": list(hu.shape),
        "patches": shapes[OURS][0],
        "packages": resampling.versions(),
        "ways": {
            name: summary(ms) | {"does": _does(name, here), "over_ours": over(ms, times[OURS])}
            for name, ms in times.items()
        },
        "skipped": {way.name: why for way in resampling.PEERS if (why := way.missing())},
        "error": errors,
        "windows_until_settled": windows,
    }
    result.histograms = {name: encoded(ms) for name, ms in times.items()}
    result.broken += [*watch.broken]
    if len(set(shapes.values())) > 1:
        result.broken.append(f"the ways give other patches: {shapes}")
    if (slices, pixels) == (GOAL_SLICES, GOAL_PIXELS):
        result.targets.append(reached)


def over(slow_ms: list[float], ours_ms: list[float]) -> dict[str, float]:
    """Return how many times longer the one takes, round by round."""
    ratios = [slow / fast for slow, fast in zip(slow_ms, ours_ms, strict=True)]
    return {
        "min": round(min(ratios), 2),
        "median": round(statistics.median(ratios), 2),
        "max": round(max(ratios), 2),
    }


def _does(name: str, here: list[Any]) -> str:
    described: dict[str, str] = {way.name: way.does for way in here}
    return described.get(name, "one matrix a patch from slices to rows, of the voxels that patches need")
