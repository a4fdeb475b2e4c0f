# SPDX-License-Identifier: Apache-2.0
"""Options of ``vcf doctor``."""

import argparse
from pathlib import Path
from typing import Any

from vcf_cli.options import Work


def add_parser(subparsers: Any) -> None:
    """Register the subcommand."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "doctor",
        help="say what is on this machine, what is not, and what to do",
        description="Look at machine, GPU, packages, server, models, passports and ports. Nothing is changed.",
    )
    parser.add_argument("--repository", type=Path, metavar="DIR", help="model repository (default: the one that ships)")
    parser.add_argument("--config", default="cpu", metavar="FORM", help="form of the models (default %(default)s)")
    parser.add_argument("--host", default="127.0.0.1", help="address whose ports are looked at (default %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write it as JSON; - is standard output")
    parser.set_defaults(run=Work("vcf_cli.doctor"))
