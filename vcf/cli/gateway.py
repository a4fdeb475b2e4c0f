# SPDX-License-Identifier: Apache-2.0
"""``vcf gateway``: studies from a PACS to the server, report and picture back to the PACS."""

import argparse
import json
import signal
from pathlib import Path
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser(
        "gateway",
        help="take studies from a PACS, send report and picture back",
        description="Take studies from a PACS by C-STORE or DICOMweb, have them analysed by the server, and send a "
        "structured report and a picture back. All settings are in a TOML file; docs/gateway.md explains them.",
    )
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    for verb, what, run in (
        ("run", "take studies until told to stop (SIGTERM, Ctrl-C)", run_gateway),
        ("status", "count studies by state, refusals by code", show_status),
        ("retry", "give studies that failed another chance; stop the gateway first", retry_failed),
    ):
        one = verbs.add_parser(verb, help=what, description=what.capitalize() + ".")
        one.add_argument("--config", type=Path, required=True, metavar="FILE", help="settings (TOML)")
        one.set_defaults(run=run)
        if verb == "status":
            one.add_argument("--json", action="store_true", help="as JSON on standard output")


def run_gateway(args: argparse.Namespace) -> int:
    """Run until a signal."""
    from clients import VcfClient
    from clients.gateway import log
    from clients.gateway.config import Config
    from clients.gateway.service import Gateway
    from clients.retry import NO_RETRY

    config = Config.load(args.config)
    log.configure()
    # The gateway keeps studies and tries again itself; a second layer of retries would only hold its threads up.
    analyzer = VcfClient(config.server, deadline_s=config.deadline_s, retry=NO_RETRY)
    with analyzer as client, Gateway(config, client) as gateway:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: gateway.request_stop())
        gateway.wait()
    return 0


def show_status(args: argparse.Namespace) -> int:
    """Print the counts."""
    from clients.gateway.config import Config
    from clients.gateway.status import counts

    found = counts(Config.load(args.config).spool)
    if args.json:
        print(json.dumps(found, indent=2))
        return 0
    for heading, numbers in found.items():
        if isinstance(numbers, dict):
            print(f"{heading}: " + (", ".join(f"{name} {number}" for name, number in numbers.items()) or "none"))
    print(f"spool: {found['spool_bytes'] / 2**20:.0f} MiB")
    return 0


def retry_failed(args: argparse.Namespace) -> int:
    """Make failed studies ready again."""
    from clients.gateway.config import Config
    from clients.gateway.journal import Journal
    from clients.gateway.spool import Spool

    spool = Spool(Config.load(args.config).spool, max_bytes=0, keep_free_bytes=0)
    journal = Journal(spool.journal_path)
    print(f"{journal.retry_failed()} studies will be analysed again")
    journal.close()
    spool.close()
    return 0
