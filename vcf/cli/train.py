# SPDX-License-Identifier: Apache-2.0
"""``vcf train``: weights from phantoms and annotated slices, seeded, with a manifest beside them."""

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vcf.contract import MEMBERS

if TYPE_CHECKING:
    from training.train import Progress

WHAT = ("detector", "members", "threshold", "all")


def add_parser(subparsers: Any) -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser(
        "train",
        help="train the networks",
        description="Train the detector and the members, and fix the threshold. All fractures are synthetic.",
        epilog="Afterwards `vcf export onnx --weights DIR` writes what the server loads.",
    )
    parser.add_argument("what", choices=WHAT, help="all is the first three, in this order")
    parser.add_argument(
        "--member",
        action="append",
        choices=MEMBERS,
        help="train only this member, so that several machines or processes can share the work",
    )
    parser.add_argument("--preset", choices=("cpu", "paper", "tiny"), default="cpu", help="default %(default)s")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of weights and manifest.json")
    parser.add_argument(
        "--seed", type=int, default=0, help="of weights, batches and augmentation (default %(default)s)"
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=os.environ.get("VCF_SHARED_DATA"),
        metavar="DIR",
        help="folder of real CTs with annotated canals (default: $VCF_SHARED_DATA, else public packages alone)",
    )
    parser.add_argument(
        "--fresh",
        action="store_true",
        help="train anew what is finished or begun in DIR; otherwise the same command goes on where it was stopped",
    )
    parser.add_argument("--start", type=Path, metavar="DIR", help="weights that members go on from, e.g. on own data")
    parser.add_argument("--test", type=int, default=0, metavar="N", help="then evaluate on N held-out phantoms")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train, save, print what was reached."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from training.presets import PRESETS
    from training.train import Training

    with bars() as progress:
        training = Training(
            PRESETS[args.preset],
            args.out,
            args.seed,
            args.data,
            start=args.start,
            fresh=args.fresh,
            progress=progress,
        )
        if args.what in ("detector", "all"):
            print_figures("detector", training.train_detector()["figures"]["synthetic"])
        if args.what in ("members", "all"):
            studies, tuning = training.load_studies()
            for name in args.member or MEMBERS:
                print_figures(f"member {name}", training.train_member(name, studies, tuning)["figures"]["synthetic"])
        if args.what in ("threshold", "all"):
            print_figures("ensemble, tuning", training.fix_operating_point())
        if args.test:
            print_figures("ensemble, held-out", training.test(args.test))
    return 0


def print_figures(title: str, figures: dict[str, Any]) -> None:
    """One line of figures; they are synthetic, and the line says so."""
    shown = ", ".join(f"{name} {value:.3g}" for name, value in figures.items() if isinstance(value, int | float))
    print(f"{title} (synthetic): {shown}")


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
