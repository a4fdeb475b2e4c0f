# SPDX-License-Identifier: Apache-2.0
"""``vcf bench preprocess``: our preparation on one core against the obvious ways, in time and in truth."""

import argparse
import statistics
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.result import Result

GOAL_SLICES = 300
GOAL = "volume and centre line to patches, one core, 300 slices, ms"
MOST_WINDOWS = 6
BLAS_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "--slices", type=int, default=GOAL_SLICES, help="of 512 × 512 pixels, 1 mm apart, default %(default)s"
    )
    parser.add_argument("--pixels", type=int, default=512, help="rows and columns of a slice, default %(default)s")
    parser.add_argument("--runs", type=int, default=5, help="rounds that count, default %(default)s")


def run(args: argparse.Namespace) -> "Result":
    """Time every way that is installed, in turn, and hold their resampling to a formula."""
    import os

    # Before NumPy loads its BLAS: one thread, for SciPy's FFT has one.
    for variable in BLAS_THREADS:
        os.environ[variable] = "1"
    from benchmarks.result import Result
    from vcf.errors import UsageError

    for name, least in (("slices", 160), ("pixels", 256), ("runs", 3)):
        if (value := getattr(args, name)) < least:
            raise UsageError(f"--{name} is {value}, it must be {least} or more")
    result = Result("preprocess", {"slices": args.slices, "pixels": args.pixels, "runs": args.runs})
    measure(result, args.slices, args.pixels, args.runs)
    for name, figures in result.figures["ways"].items():
        print(f"{name:<22}{figures['median_ms']:>10.1f} ms{figures['over_ours']['median']:>10.1f} × ours")
    for name, why in result.figures["skipped"].items():
        print(f"{name:<22}skipped: {why}")
    return result


def measure(result: "Result", slices: int, pixels: int, runs: int) -> None:
    """Fill the result."""
    import os

    import numpy as np
    from threadpoolctl import ThreadpoolController

    from benchmarks import preprocess_truth, validity
    from benchmarks.distribution import encoded
    from benchmarks.preparation import GOAL_MS, Shape, case, target
    from benchmarks.preprocess_page import sections
    from benchmarks.preprocess_ways import OURS, PEERS, versions
    from benchmarks.timing import one_core, paired_ms, summary
    from benchmarks.windows import recent, rounds_of, until_settled
    from preprocess.patches import extract

    hu, spacing, line = case(Shape(slices=slices, pixels=pixels))
    here = [way for way in PEERS if way.missing() is None]
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
        errors = preprocess_truth.errors(here)
    reached = target(GOAL, times[OURS], rounds_of(runs))
    times = {name: list(recent(ms, rounds_of(runs))) for name, ms in times.items()}
    shapes = {name: np.shape(way().patches) for name, way in ways.items()}
    result.figures = {
        "volume": list(hu.shape),
        "patches": shapes[OURS][0],
        "packages": versions(),
        "ways": {
            name: summary(ms) | {"does": _does(name, here), "over_ours": over(ms, times[OURS])}
            for name, ms in times.items()
        },
        "skipped": {way.name: why for way in PEERS if (why := way.missing())},
        "error": errors,
        "windows_until_settled": windows,
    }
    result.histograms = {name: encoded(ms) for name, ms in times.items()}
    result.broken += [*watch.broken]
    if len(set(shapes.values())) > 1:
        result.broken.append(f"the ways give other patches: {shapes}")
    if slices == GOAL_SLICES and pixels == 512:
        result.targets.append(reached)
    result.sections = sections(result.figures, GOAL_MS if result.targets else None)


def over(slow_ms: list[float], ours_ms: list[float]) -> dict[str, float]:
    """How many times longer, round by round."""
    ratios = [slow / fast for slow, fast in zip(slow_ms, ours_ms, strict=True)]
    return {
        "min": round(min(ratios), 2),
        "median": round(statistics.median(ratios), 2),
        "max": round(max(ratios), 2),
    }


def _does(name: str, here: list[Any]) -> str:
    described: dict[str, str] = {way.name: way.does for way in here}
    return described.get(name, "one matrix a patch from slices to rows, of the voxels that patches need")
