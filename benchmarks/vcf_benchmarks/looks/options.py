# SPDX-License-Identifier: Apache-2.0
"""Options of the short looks."""

import argparse
from pathlib import Path

from vcf_benchmarks.harness import options


def add_stages(parser: argparse.ArgumentParser) -> None:
    """Add those of ``vcf bench stages``."""
    parser.add_argument("--slices", type=int, default=300, help="of 512 × 512 pixels, default %(default)s")
    parser.add_argument("--runs", type=int, default=10, help="counted calls, default %(default)s")
    options.add_server(parser)


def add_deadline(parser: argparse.ArgumentParser) -> None:
    """Add those of ``vcf bench deadline``."""
    parser.add_argument("--runs", type=int, default=5, help="calls with the deadline, default %(default)s")


def add_canal(parser: argparse.ArgumentParser) -> None:
    """Add those of ``vcf bench canal``."""
    options.add_server(parser)


def add_transports(parser: argparse.ArgumentParser) -> None:
    """Add those of ``vcf bench transports``."""
    parser.add_argument("--runs", type=int, default=10, help="counted calls by each transport, default %(default)s")
    options.add_series(parser)
    options.add_server(parser)


def add_inputs(parser: argparse.ArgumentParser) -> None:
    """Add those of ``vcf bench inputs``."""
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write into")
    parser.add_argument("--study", type=Path, metavar="DIR", help="DICOM series (default: LIDC-IDRI-0001)")
    parser.add_argument(
        "--shared-memory",
        action="store_true",
        help="commands that send by shared memory; the server has to let everyone (`vcf serve --shared-memory`)",
    )
    options.add_server(parser)


def add_agreement(parser: argparse.ArgumentParser) -> None:
    """Add those of ``vcf bench agreement``."""
    parser.add_argument("--rate", type=float, default=1.0, help="whole volumes a second, default %(default)g")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each turn, default %(default)g")
    parser.add_argument("--rounds", type=int, default=4, help="turns of each, default %(default)s")
    parser.add_argument(
        "--perf-analyzer",
        default=".venv-nvidia-tools/bin/perf_analyzer",
        metavar="PROGRAM",
        help="default %(default)s, which `make nvidia-tools` installs",
    )
    options.add_server(parser)


def add_reading(parser: argparse.ArgumentParser) -> None:
    """Add those of ``vcf bench read``."""
    parser.add_argument("--slices", type=int, default=300, help="of 512 × 512 pixels, default %(default)s")
    parser.add_argument("--runs", type=int, default=5, help="counted rounds, default %(default)s")
    parser.add_argument("--workers", type=int, metavar="N", help="threads that decode; one a processor by default")


def add_screening(parser: argparse.ArgumentParser) -> None:
    """Add those of ``vcf bench screening``."""
    parser.add_argument(
        "--rows", type=int, default=200_000, help="of a list whose analysis is nothing, 0 for none, default %(default)s"
    )
    parser.add_argument(
        "--studies", type=int, default=1000, help="small phantoms to a real server, 0 for none, default %(default)s"
    )
    parser.add_argument("--workers", type=int, default=2, help="processors of Ray, default %(default)s")
