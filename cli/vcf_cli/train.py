# SPDX-License-Identifier: Apache-2.0
"""``vcf train``: weights from phantoms and annotated slices, seeded, with a manifest beside them."""

import argparse
import sys
from dataclasses import replace
from typing import Any

from vcf_cli.progress import stages
from vcf_contract.errors import UsageError
from vcf_preprocess.aggregate import MAX_OVERLAP
from vcf_training.ablation import ablation
from vcf_training.architecture import MEMBERS, VARIANTS
from vcf_training.data.datasets import Options
from vcf_training.ensemble import search
from vcf_training.hardware import fitted, has_gpu
from vcf_training.own_data import OwnData, with_split
from vcf_training.presets import PRESETS, Preset
from vcf_training.search import pool
from vcf_training.train import SYNTHETIC, Progress, Training


def run(args: argparse.Namespace) -> int:
    """Train, save, print what was reached."""
    with stages() as progress:
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
            names = args.member or MEMBERS[: max(args.members)]
            workers = args.workers or (1 if has_gpu() else len(names))
            for name, entry in training.train_members(names, studies, tuning, workers=workers):
                print_figures(f"member {name}", entry["figures"])
        if args.what == "search":
            candidates = pool(training.preset.member, args.seed, count=args.candidates)
            found = search(training, candidates, args.ray, args.members)
            print(found["table"])
            print(f"members: {', '.join(found['chosen']['members'])}")
            print_figures("ensemble, tuning", {training.figures_of: found["operating_point"]})
        if args.what == "ablation":
            print(ablation(training, args.ray)["table"])
        if args.what in ("threshold", "all"):
            print_figures("ensemble, tuning", {training.figures_of: training.fix_operating_point()})
        if args.test:
            print_figures("ensemble, held-out", {SYNTHETIC: training.test(args.test)})
    return 0


def _preset(args: argparse.Namespace) -> Preset:
    """The preset with the command line's changes."""
    preset = fitted(PRESETS[args.preset])
    changes: dict[str, Any] = {}
    if preset != PRESETS[args.preset]:
        print("this processor has no bfloat16: members train in float32, about half as fast", file=sys.stderr)
    for name in ("steps", "workers"):
        if (value := getattr(args, name)) is not None and value < 1:
            raise UsageError(f"--{name} {value}: at least 1 is needed")
    if args.steps is not None:
        changes["steps"] = args.steps
    if args.overlap is not None:
        if not 0 <= args.overlap <= MAX_OVERLAP:
            raise UsageError(f"--overlap {args.overlap}: a share from 0 to {MAX_OVERLAP} is needed")
        changes["overlap"] = args.overlap
    if args.variant is not None:
        if args.what != "member":
            raise UsageError(f"--variant belongs to `vcf train member`, not to `vcf train {args.what}`")
        if args.variant not in VARIANTS:
            raise UsageError(f"--variant {args.variant}: one of {', '.join(VARIANTS)} is needed")
        changes["architecture"] = VARIANTS[args.variant]
    return replace(preset, member=replace(preset.member, **changes))


def _own_data(args: argparse.Namespace, progress: Progress) -> OwnData | None:
    """The data of --data under the split that is kept beside the weights."""
    if not args.data:
        return None
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
