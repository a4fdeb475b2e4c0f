# SPDX-License-Identifier: Apache-2.0
"""Options of ``vcf compare``."""

from pathlib import Path
from typing import Any

from vcf_cli.options import Work
from vcf_cli.options.connection import add_connection
from vcf_cli.options.studies import add_studies
from vcf_cli.options.types import server_address


def add_parser(subparsers: Any) -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser(
        "compare",
        help="analyse studies on two servers, and show both scores",
        description="Analyse CT studies on two servers, such as two releases of models, and show both sides' scores "
        "and where they decide differently. One that fails on either side does not stop the others.",
        epilog="exit codes: 0 compared, 2 study refused, 3 server unreachable, too slow or failed, 64 wrong usage",
    )
    for name in ("a", "b"):
        parser.add_argument(
            name, type=server_address, metavar=name.upper(), help="gRPC endpoint, HOST:PORT or dns:///NAME:PORT"
        )
    add_studies(parser)
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write both sides' scores as JSON; - is standard output"
    )
    add_connection(parser, server=False)
    parser.set_defaults(run=Work("vcf_cli.compare"))
