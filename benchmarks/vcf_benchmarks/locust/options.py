# SPDX-License-Identifier: Apache-2.0
"""Options of ``vcf bench locust``."""

import argparse

from vcf_benchmarks.harness import options

PROFILES = ("day", "trauma", "nightly", "ramp")
"""Names of `vcf_benchmarks.harness.profiles.PROFILES`."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add them."""
    options.add_server(parser)
    options.add_transport(parser)
    parser.add_argument("--profile", choices=PROFILES, default="day", help="default %(default)s")
    parser.add_argument("--minutes", type=float, default=5, help="the profile's hours in so many, default %(default)s")
    parser.add_argument(
        "--capacity", type=float, metavar="R", help="studies a second that count as 1; by default a short closed loop"
    )
    options.add_seed(parser)
