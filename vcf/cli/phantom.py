# SPDX-License-Identifier: Apache-2.0
"""``vcf phantom``: a synthetic CT with known fractures, written as a DICOM series."""

import argparse
from pathlib import Path
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser(
        "phantom",
        help="write a synthetic CT with known fractures as DICOM",
        description="Draw a synthetic patient and write the CT as a DICOM series, with the truth in truth.json.",
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for the series, without DICOM files in it")
    parser.add_argument("--seed", type=_seed, default=1, metavar="N", help="another number, another patient")
    parser.add_argument("--kind", choices=("chest", "abdomen", "both"), help="part of the body (default: drawn)")
    parser.add_argument("--levels", type=_levels, metavar="TOP-BOTTOM", help="field of view, such as T1-L5")
    parser.add_argument(
        "--grades",
        type=_grades,
        metavar="LIST",
        help="fractures by Genant grade and shape, such as L1=2:wedge,T8=1; none for a healthy spine (default: drawn)",
    )
    parser.add_argument("--held-out", action="store_true", help="draw from the ranges kept for evaluation")
    parser.add_argument("--spacing", type=_spacing, metavar="ZxXY", help="slice × pixel in mm, such as 1.0x0.8")
    parser.add_argument("--noise", type=_noise, metavar="HU", help="standard deviation of the noise")
    parser.add_argument("--position", choices=("HFS", "HFP", "FFS", "FFP"), default="HFS", help="how it is stored")
    parser.add_argument("--reverse", action="store_true", help="number the slices from head to feet")
    parser.add_argument("--intercept", type=int, choices=(-1024, -1000), default=-1024, help="of the rescale")
    parser.set_defaults(run=run, usage_error=parser.error)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 0 or more")
    return int(text)


def _noise(text: str) -> float:
    value = _number(text)
    if not 0 <= value <= 200:
        raise argparse.ArgumentTypeError(f"noise is {value:g} HU, accepted are 0 to 200")
    return value


def _spacing(text: str) -> tuple[float, float, float]:
    slice_mm, _, pixel_mm = text.lower().replace("×", "x").partition("x")
    dz, dx = _number(slice_mm), _number(pixel_mm or "nothing")
    if not (0.3 <= dz <= 10 and 0.3 <= dx <= 5):
        raise argparse.ArgumentTypeError(
            f"spacing is {dz:g} × {dx:g} mm, accepted are slices of 0.3–10, pixels of 0.3–5"
        )
    return dz, dx, dx


def _levels(text: str) -> tuple[str, str]:
    from training.phantom.anatomy import parse_levels

    try:
        return parse_levels(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _grades(text: str) -> dict[str, tuple[int, str | None]]:
    from training.phantom.fracture import parse_fractures

    try:
        return {} if text.lower() == "none" else parse_fractures(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def run(args: argparse.Namespace) -> int:
    """Draw, render, write, and say what is in it."""
    from training.phantom import HELD_OUT_RANGES, TRAINING_RANGES, render, sample, with_acquisition
    from training.phantom.dicom import TRUTH_FILE, write_series
    from vcf.errors import SetupError

    try:
        spec = sample(
            args.seed,
            ranges=HELD_OUT_RANGES if args.held_out else TRAINING_RANGES,
            kind=args.kind,
            levels=args.levels,
            fractures=args.grades,
        )
    except ValueError as error:
        args.usage_error(str(error))
    if args.noise is not None:
        spec = with_acquisition(spec, noise_hu=args.noise)
    if args.out.exists() and (not args.out.is_dir() or next(args.out.glob("*.dcm"), None)):
        raise SetupError(f"{args.out} is a file or holds DICOM files already; give a new folder")
    phantom = render(spec, spacing_mm=args.spacing)
    files = write_series(phantom, args.out, position=args.position, reverse=args.reverse, intercept=args.intercept)
    dz, dy, _ = phantom.volume.spacing_mm
    found = ", ".join(f"{v.level} grade {v.grade} {v.shape}" for v in phantom.vertebrae if v.grade)
    print(f"synthetic {spec.kind} CT: {len(files)} slices of {dz:g} mm, pixels of {dy:g} mm, {'–'.join(spec.levels)}")
    print(f"fractures: {found or 'none'}")
    print(f"written to {args.out}, the truth in {TRUTH_FILE}")
    return 0
