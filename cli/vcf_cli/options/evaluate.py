# SPDX-License-Identifier: Apache-2.0
"""Options of ``vcf evaluate``."""

from pathlib import Path
from typing import Any

from vcf_cli.options import Work
from vcf_cli.options.types import count


def add_parser(subparsers: Any) -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser(
        "evaluate",
        help="figures of the shipped or other weights on held-out data",
        description="Run the whole pipeline in one process on held-out studies. Phantoms and deformed CTs hold "
        "synthetic fractures, and every figure from them says so.",
    )
    parser.add_argument(
        "--data",
        default="phantom-test",
        metavar="SET|PATH",
        help="phantom-test: phantoms of ranges that training never saw; phantom-unseen: others of the ranges it saw; "
        "warped: deformed copies of real CTs in no training; rendered: masks with real fractures, and stretched back; "
        "real: every public CT at hand, and the canal on them; "
        "or a path to your own annotated data, of which those patients are taken that the weights did not learn from; "
        "default %(default)s",
    )
    parser.add_argument("--grades", type=Path, metavar="FILE", help="grades of VerSe data, where they lie elsewhere")
    parser.add_argument(
        "--n", type=count, default=200, metavar="N", help="number of phantoms or copies (default %(default)s)"
    )
    parser.add_argument(
        "--robustness",
        action="store_true",
        help="analyse each study under some 40 changes that change nothing about the patient, too: cut, blank ends, "
        "tilt, brightness, noise, …",
    )
    parser.add_argument("--weights", type=Path, metavar="DIR", help="folder of `vcf train` (default: those that ship)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures and every result")
    parser.add_argument("--report", type=Path, metavar="DIR", help="write a page with plots, tables and pictures")
    parser.add_argument(
        "--workers",
        type=count,
        default=1,
        metavar="N",
        help="processes at work (default %(default)s)",
    )
    parser.set_defaults(run=Work("vcf_cli.evaluate"))
