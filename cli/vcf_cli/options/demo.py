# SPDX-License-Identifier: Apache-2.0
"""Options of ``vcf demo``."""

from pathlib import Path
from typing import Any

from vcf_cli.options import Work


def add_parser(subparsers: Any) -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser(
        "demo",
        help="analyse a public CT on a server of its own, and write a report",
        description="Start a server on free ports, analyse a study on it, write a report, stop the server.",
    )
    parser.add_argument(
        "study", type=Path, nargs="?", metavar="STUDY", help="default: LIDC-IDRI-0001, a public chest CT, fetched once"
    )
    parser.add_argument("--out", type=Path, default=Path("out/demo"), metavar="DIR", help="default %(default)s")
    parser.set_defaults(run=Work("vcf_cli.demo"))
