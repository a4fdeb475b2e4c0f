# SPDX-License-Identifier: Apache-2.0
"""``vcf phantom``: a synthetic CT with known fractures, written as a DICOM series."""

import argparse

from vcf_contract.errors import SetupError
from vcf_training.phantom import HELD_OUT_RANGES, TRAINING_RANGES, render, sample, with_acquisition
from vcf_training.phantom.anatomy import parse_levels
from vcf_training.phantom.dicom import TRUTH_FILE, write_series
from vcf_training.phantom.fracture import parse_fractures


def run(args: argparse.Namespace) -> int:
    """Draw, render, write, and say what is in it."""
    try:
        spec = sample(
            args.seed,
            ranges=HELD_OUT_RANGES if args.held_out else TRAINING_RANGES,
            kind=args.kind,
            levels=parse_levels(args.levels) if args.levels else None,
            fractures=_fractures(args.grades),
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


def _fractures(text: str | None) -> dict[str, tuple[int, str | None]] | None:
    """Return what --grades asks for; None leaves it to chance."""
    if text is None:
        return None
    return {} if text.lower() == "none" else parse_fractures(text)
