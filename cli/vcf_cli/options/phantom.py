# SPDX-License-Identifier: Apache-2.0
"""Options of ``vcf phantom``."""

import argparse
from pathlib import Path
from typing import Any

from vcf_cli.options import Work
from vcf_cli.options.types import natural


def add_parser(subparsers: Any) -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser(
        "phantom",
        help="write a synthetic CT with known fractures as DICOM",
        description="Draw a synthetic patient and write the CT as a DICOM series, with the truth in truth.json.",
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for the series, without DICOM files in it")
    parser.add_argument("--seed", type=natural, default=1, metavar="N", help="another number, another patient")
    parser.add_argument("--kind", choices=("chest", "abdomen", "both"), help="part of the body (default: drawn)")
    parser.add_argument("--levels", metavar="TOP-BOTTOM", help="field of view, such as T1-L5")
    parser.add_argument(
        "--grades",
        metavar="LIST",
        help="fractures by Genant grade and shape, such as L1=2:wedge,T8=1; none for a healthy spine (default: drawn)",
    )
    parser.add_argument("--held-out", action="store_true", help="draw from the ranges kept for evaluation")
    parser.add_argument("--spacing", type=_spacing, metavar="ZxXY", help="slice × pixel in mm, such as 1.0x0.8")
    parser.add_argument("--noise", type=_noise, metavar="HU", help="standard deviation of the noise")
    parser.add_argument("--position", choices=("HFS", "HFP", "FFS", "FFP"), default="HFS", help="how it is stored")
    parser.add_argument("--reverse", action="store_true", help="number the slices from head to feet")
    parser.add_argument("--intercept", type=int, choices=(-1024, -1000), default=-1024, help="of the rescale")
    parser.set_defaults(run=Work("vcf_cli.phantom"), usage_error=parser.error)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


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
