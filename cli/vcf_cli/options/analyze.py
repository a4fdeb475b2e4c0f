# SPDX-License-Identifier: Apache-2.0
"""Options of ``vcf analyze``."""

from pathlib import Path
from typing import Any

from vcf_cli.options import Work
from vcf_cli.options.connection import add_connection
from vcf_cli.options.studies import add_age_policy, add_studies
from vcf_cli.options.types import count, otlp_url


def add_parser(subparsers: Any) -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser(
        "analyze",
        help="analyse a CT study on a running server",
        description="Analyse CT studies on a running server: of each the most suitable series that is found is taken. "
        "Of several studies a table is printed, in the order given; one that fails does not stop the others.",
        epilog="exit codes: 0 analysed, 2 study refused, 3 server unreachable, too slow or failed, 64 wrong usage",
    )
    add_studies(parser)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the findings as JSON; - is standard output")
    parser.add_argument(
        "--report",
        type=Path,
        metavar="DIR",
        help="write findings.json, midsagittal.png, report.html; of several studies into DIR/1, DIR/2, …",
    )
    parser.add_argument("--sr", type=Path, metavar="FILE", help="write a DICOM structured report (extra: gateway)")
    parser.add_argument("--sc", type=Path, metavar="FILE", help="write the picture as DICOM secondary capture")
    parser.add_argument(
        "--transport",
        choices=("auto", "shm", "crop", "volume", "dicom"),
        default="auto",
        help="how the study gets to the server: shared memory, the part about the spine, all of it, or its files; "
        "auto is the part about the spine, if the server takes that (default %(default)s)",
    )
    add_age_policy(parser)
    parser.add_argument(
        "--concurrency", type=count, default=2, metavar="N", help="studies at a time, of several (default %(default)s)"
    )
    parser.add_argument(
        "--otlp",
        type=otlp_url,
        metavar="URL",
        help="send a trace of each study to this collector (OTLP over HTTP); the server's joins it (extra: otlp)",
    )
    add_connection(parser)
    parser.set_defaults(run=Work("vcf_cli.analyze"))
