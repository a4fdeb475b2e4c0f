# SPDX-License-Identifier: Apache-2.0
"""Options of ``vcf bench waterfall``."""

import argparse
from pathlib import Path

from vcf_benchmarks.harness import options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add them."""
    options.add_series(parser)
    parser.add_argument(
        "--transport",
        nargs="+",
        metavar="TRANSPORT",
        help="transport as `vcf analyze` takes it; one waterfall for each (default: all)",
    )
    parser.add_argument("--runs", type=int, default=36, help="counted studies by each transport, default %(default)s")
    options.add_server(parser)
    parser.add_argument(
        "--trace-file",
        type=Path,
        metavar="FILE",
        help="where this command can read what the running server got as --trace-config=triton,file=FILE; without it "
        "the server's part is told by its statistics",
    )
