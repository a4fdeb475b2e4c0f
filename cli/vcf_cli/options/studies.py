# SPDX-License-Identifier: Apache-2.0
"""Options about studies that several commands have."""

import argparse
from pathlib import Path


def add_studies(parser: argparse.ArgumentParser) -> None:
    """Register the studies that are named one by one."""
    parser.add_argument(
        "study", type=Path, nargs="+", metavar="STUDY", help="folder, file or archive of DICOM images, or NIfTI"
    )


def add_age_policy(parser: argparse.ArgumentParser) -> None:
    """Register what is done about a patient's age."""
    parser.add_argument(
        "--age-policy",
        choices=("warn", "block"),
        default="warn",
        help="what to do if the patient is under 50 or of unknown age (default %(default)s)",
    )
