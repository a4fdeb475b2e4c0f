# SPDX-License-Identifier: Apache-2.0
"""``vcf gateway``: studies from a PACS to the server, report and picture back to the PACS."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Callable
from functools import wraps

from vcf_cli import exit_codes
from vcf_client import VcfClient, tracing
from vcf_client.gateway import log
from vcf_client.gateway.config import Config
from vcf_client.gateway.encryption import security
from vcf_client.gateway.journal import Journal
from vcf_client.gateway.service import Gateway
from vcf_client.gateway.settings import BadSettings
from vcf_client.gateway.spool import Spool
from vcf_client.gateway.status import counts
from vcf_client.retry import NO_RETRY


def _with_settings(run: Callable[[argparse.Namespace, Config], int]) -> Callable[[argparse.Namespace], int]:
    """Read the settings first; if they have faults, a line a fault and no more."""

    @wraps(run)
    def checked(args: argparse.Namespace) -> int:
        try:
            config = Config.load(args.config)
        except BadSettings as bad:
            for fault in bad.faults:
                print(f"vcf: {args.config}: {fault}", file=sys.stderr)
            return exit_codes.USAGE
        return run(args, config)

    return checked


@_with_settings
def run_gateway(args: argparse.Namespace, config: Config) -> int:
    """Run until a signal."""
    log.configure(log_format=config.log_format)
    end = tracing.export_to(config.otlp, "vcf-gateway") if config.otlp else None
    try:
        return _run(config)
    finally:
        if end:
            end()


def _run(config: Config) -> int:
    # The gateway keeps studies and tries again itself; a second layer of retries would only hold its threads up.
    analyzer = VcfClient(config.server, deadline_s=config.deadline_s, retry=NO_RETRY, security=security(config))
    with analyzer as client, Gateway(config, client) as gateway:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: gateway.request_stop())
        gateway.wait()
    return 0


@_with_settings
def check_settings(args: argparse.Namespace, config: Config) -> int:
    """Say what settings without faults amount to."""
    pacs, poll = config.pacs, config.poll
    print(f"{args.config}: no fault")
    print(f"listens as {config.ae_title} on {config.host} port {config.port}, spool {config.spool}")
    print(f"sends to {pacs.dicomweb_url or f'{pacs.ae_title} on {pacs.host} port {pacs.port}'}")
    if poll:
        print(f"fetches from {poll.dicomweb_url} every {poll.every_s:g} s")
    print(f"asks the server {config.server}")
    return 0


@_with_settings
def show_status(args: argparse.Namespace, config: Config) -> int:
    """Print the counts."""
    found = counts(config.spool)
    if args.json:
        print(json.dumps(found, indent=2))
        return 0
    for heading, numbers in found.items():
        if isinstance(numbers, dict):
            print(f"{heading}: " + (", ".join(f"{name} {number}" for name, number in numbers.items()) or "none"))
    print(f"spool: {found['spool_bytes'] / 2**20:.0f} MiB")
    return 0


@_with_settings
def retry_failed(args: argparse.Namespace, config: Config) -> int:
    """Make failed studies ready again."""
    spool = Spool(config.spool, max_bytes=0, keep_free_bytes=0)
    journal = Journal(spool.journal_path)
    print(f"{journal.retry_failed()} studies will be analysed again")
    journal.close()
    spool.close()
    return 0
