# SPDX-License-Identifier: Apache-2.0
"""Options that benchmarks share, described with the standard library alone: ``vcf bench --help`` needs no more."""

import argparse
from pathlib import Path
from typing import Any

from vcf_contract.errors import UsageError

TRANSPORTS = ("auto", "shm", "crop", "volume")
"""Ways to send a study that is in memory."""


def add_server(parser: argparse.ArgumentParser) -> None:
    """Add ``--server``."""
    parser.add_argument("--server", metavar="ADDRESS", help="a running server; by default one is started and stopped")


def add_transport(parser: argparse.ArgumentParser) -> None:
    """Add ``--transport``, named as in ``vcf analyze``."""
    parser.add_argument(
        "--transport", choices=TRANSPORTS, default="auto", help="transport of a study, default %(default)s"
    )


def add_series(parser: argparse.ArgumentParser) -> None:
    """Add ``--study``, a folder of DICOM files."""
    parser.add_argument("--study", type=Path, metavar="FOLDER", help="DICOM series; LIDC-IDRI-0001 by default")


def add_studies(parser: argparse.ArgumentParser, studies: int = 4) -> None:
    """Add size, number and order of the studies of a load test."""
    parser.add_argument(
        "--slices", type=int, default=133, help="of 512 × 512 pixels, from LIDC-IDRI-0001, default %(default)s"
    )
    parser.add_argument(
        "--studies", type=int, default=studies, help="different studies that take turns by chance, default %(default)s"
    )
    add_seed(parser)


def add_seed(parser: argparse.ArgumentParser) -> None:
    """Add ``--seed``."""
    parser.add_argument("--seed", type=int, default=1, help="of arrivals and studies, default %(default)s")


def add_load(parser: argparse.ArgumentParser) -> None:
    """Add what all load tests against one server take."""
    add_server(parser)
    add_transport(parser)
    add_studies(parser)


def settings(args: argparse.Namespace) -> dict[str, Any]:
    """Return the options of `add_load` as the JSON has them, without the server's address."""
    return {
        "server": "given" if args.server else "own",
        "transport": args.transport,
        "slices": args.slices,
        "studies": args.studies,
        "seed": args.seed,
    }


def positive(args: argparse.Namespace, *names: str) -> None:
    """Raise UsageError unless each of these options that is given is greater than 0."""
    for name in names:
        value = getattr(args, name)
        if value is not None and not value > 0:
            raise UsageError(f"--{name.replace('_', '-')} is {value}, it must be greater than 0")


def at_least(args: argparse.Namespace, **least: int) -> None:
    """Raise UsageError unless each of these options reaches its smallest value."""
    for name, smallest in least.items():
        if (value := getattr(args, name)) < smallest:
            raise UsageError(f"--{name.replace('_', '-')} is {value}; {smallest} and more are accepted")
