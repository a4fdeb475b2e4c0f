# SPDX-License-Identifier: Apache-2.0
"""``vcf train``: weights from phantoms and annotated slices, seeded, with a manifest beside them."""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vcf.contract import MEMBERS
from vcf.errors import UsageError

if TYPE_CHECKING:
    from training.own_data import OwnData
    from training.presets import Preset
    from training.train import Progress

WHAT = ("detector", "member", "threshold", "all", "search", "ablation")
LOCAL_RAY = "local"


def add_parser(subparsers: Any) -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser(
        "train",
        help="train the networks",
        description="Train the detector and the members, and fix the threshold. Without --data all fractures are "
        "synthetic.",
        epilog="Afterwards `vcf export onnx --weights DIR` writes what the server loads.",
    )
    parser.add_argument(
        "what",
        choices=WHAT,
        help="all is the first three, in this order; search trains a pool of candidates and makes the best three the"
        " members; ablation compares the paper's variants",
    )
    parser.add_argument(
        "--member",
        action="append",
        choices=MEMBERS,
        help="train only this member, so that several machines can share the work",
    )
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="members that train side by side, each in a process of its own with its share of the cores (default: all;"
        " on a GPU one after another)",
    )
    parser.add_argument("--preset", choices=("cpu", "paper", "tiny"), default="cpu", help="default %(default)s")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of weights and manifest.json")
    parser.add_argument(
        "--seed", type=int, default=0, help="of weights, batches and augmentation (default %(default)s)"
    )
    parser.add_argument(
        "--data",
        action="append",
        default=[],
        metavar="PATH",
        help="annotated CTs to learn from, see docs/training.md: a folder in a layout of VerSe, a CSV beside DICOM or "
        "NIfTI, or phantoms of `vcf phantom`; may be given more than once. 80 %% of the patients train, 10 %% tune",
    )
    parser.add_argument("--format", choices=("verse", "csv", "phantom"), help="of --data (default: found out)")
    parser.add_argument("--grades", type=Path, metavar="FILE", help="VerSe's table of grades, if not in its folder")
    parser.add_argument(
        "--leave-out-broken",
        action="store_true",
        help="go on without studies whose annotation does not fit; otherwise they are listed and nothing is trained",
    )
    parser.add_argument("--with-synthetic", action="store_true", help="phantoms and deformed CTs beside --data")
    parser.add_argument(
        "--canals",
        type=Path,
        default=os.environ.get("VCF_SHARED_DATA"),
        metavar="DIR",
        help="folder of real CTs whose canals this project annotated (default: $VCF_SHARED_DATA, else public packages)",
    )
    parser.add_argument(
        "--fresh",
        action="store_true",
        help="train anew what is finished or begun in DIR; otherwise the same command goes on where it was stopped",
    )
    parser.add_argument("--start", type=Path, metavar="DIR", help="weights that members go on from, e.g. on own data")
    parser.add_argument(
        "--variant", metavar="NAME", help="of member: another of the paper's architectures, see docs/training.md"
    )
    parser.add_argument("--steps", type=int, metavar="N", help="of each member or candidate, in place of the preset's")
    parser.add_argument("--candidates", type=int, metavar="N", help="of search: only the first N of the pool")
    parser.add_argument(
        "--ray",
        nargs="?",
        const=LOCAL_RAY,
        metavar="ADDRESS",
        help="of search and ablation: train candidates side by side on a Ray cluster; without ADDRESS on this machine",
    )
    parser.add_argument("--test", type=int, default=0, metavar="N", help="then evaluate on N held-out phantoms")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train, save, print what was reached."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # TensorFlow uses oneDNN by itself only on processors with AVX-512; on others its own 3-D convolutions are several
    # times slower.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    from training.hardware import has_gpu
    from training.train import SYNTHETIC, Training

    with bars() as progress:
        training = Training(
            _preset(args),
            args.out,
            args.seed,
            args.canals,
            start=args.start,
            fresh=args.fresh,
            progress=progress,
            own=_own_data(args, progress),
            with_synthetic=args.with_synthetic,
        )
        if args.what in ("detector", "all"):
            print_figures("detector", training.train_detector()["figures"])
        if args.what in ("member", "all"):
            studies, tuning = training.load_studies()
            names = args.member or MEMBERS
            workers = args.workers or (1 if has_gpu() else len(names))
            for name, entry in training.train_members(names, studies, tuning, workers=workers):
                print_figures(f"member {name}", entry["figures"])
        if args.what == "search":
            from training.ensemble import search
            from training.search import pool

            found = search(training, pool(training.preset.member, args.seed, count=args.candidates), args.ray)
            print(found["table"])
            print(f"members {', '.join(MEMBERS)}: {', '.join(found['chosen']['members'])}")
            print_figures("ensemble, tuning", {training.figures_of: found["operating_point"]})
        if args.what == "ablation":
            from training.ablation import ablation

            print(ablation(training, args.ray)["table"])
        if args.what in ("threshold", "all"):
            print_figures("ensemble, tuning", {training.figures_of: training.fix_operating_point()})
        if args.test:
            print_figures("ensemble, held-out", {SYNTHETIC: training.test(args.test)})
    return 0


def _preset(args: argparse.Namespace) -> "Preset":
    """The preset with the command line's changes."""
    from training.architecture import VARIANTS
    from training.hardware import fitted
    from training.presets import PRESETS

    preset, changes = fitted(PRESETS[args.preset]), {}
    if preset != PRESETS[args.preset]:
        print("this processor has no bfloat16: members train in float32, about half as fast", file=sys.stderr)
    for name in ("steps", "workers"):
        if (value := getattr(args, name)) is not None and value < 1:
            raise UsageError(f"--{name} {value}: at least 1 is needed")
    if args.steps is not None:
        changes["steps"] = args.steps
    if args.variant is not None:
        if args.what != "member":
            raise UsageError(f"--variant belongs to `vcf train member`, not to `vcf train {args.what}`")
        if args.variant not in VARIANTS:
            raise UsageError(f"--variant {args.variant}: one of {', '.join(VARIANTS)} is needed")
        changes["architecture"] = VARIANTS[args.variant]
    return replace(preset, member=replace(preset.member, **changes))


def _own_data(args: argparse.Namespace, progress: "Progress") -> "OwnData | None":
    """The data of --data under the split that is kept beside the weights."""
    if not args.data:
        return None
    from training.data.datasets import Options
    from training.own_data import OwnData, with_split

    options = Options(args.format, args.grades, seed=args.seed, leave_out_broken=args.leave_out_broken)
    return OwnData.open(
        args.data, with_split(options, args.out), done=lambda done, total: progress("own data, checks", done, total)
    )


def print_figures(title: str, figures: dict[str, dict[str, Any] | None]) -> None:
    """A line of figures for each set that they are of, which the line names."""
    for data, own in figures.items():
        shown = ", ".join(
            f"{name} {value:.3g}" for name, value in (own or {}).items() if isinstance(value, int | float)
        )
        if shown:
            print(f"{title} ({data}): {shown}")


@contextmanager
def bars() -> "Iterator[Progress]":
    """A progress bar for each stage, with its latest figures."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[figures]}")) as shown:
        tasks: dict[str, Any] = {}

        def report(stage: str, done: int, total: int, figures: dict[str, float] | None = None) -> None:
            if stage not in tasks:
                tasks[stage] = shown.add_task(stage, total=total, figures="")
            text = " ".join(f"{name} {value:.3f}" for name, value in (figures or {}).items())
            shown.update(tasks[stage], completed=done, figures=text)

        yield report
