# SPDX-License-Identifier: Apache-2.0
"""Options that say which servers are called, and how."""

import argparse
from pathlib import Path

from vcf_cli.options.types import count, positive, server_address
from vcf_contract.contract import Priority

DEFAULT_SERVER = "127.0.0.1:8001"
PRIORITIES = tuple(map(str, Priority))


def add_connection(parser: argparse.ArgumentParser, *, server: bool = True) -> None:
    """Register them; without ``server``, all but the one that names the servers."""
    servers = parser.add_argument_group("servers")
    if server:
        servers.add_argument(
            "--server",
            action="append",
            type=server_address,
            metavar="HOST:PORT",
            help=f"gRPC endpoint, also dns:///NAME:PORT; give it again for several in turn (default {DEFAULT_SERVER})",
        )
    servers.add_argument(
        "--deadline",
        type=positive,
        default=120.0,
        metavar="S",
        help="longest wait for the answer (default %(default)g)",
    )
    servers.add_argument(
        "--attempts",
        type=count,
        default=5,
        metavar="N",
        help="how often to try a server that is not there or full (default %(default)s)",
    )
    servers.add_argument(
        "--priority",
        choices=PRIORITIES,
        default=PRIORITIES[0],
        help="urgent studies go before all routine ones that wait on a server (default %(default)s)",
    )
    servers.add_argument("--tls-ca", type=Path, metavar="PEM", help="certificate authority of the server; turns TLS on")
    servers.add_argument("--tls-cert", type=Path, metavar="PEM", help="the client's own certificate, with --tls-key")
    servers.add_argument("--tls-key", type=Path, metavar="PEM", help="private key of --tls-cert")
    servers.add_argument(
        "--api-key-file", type=Path, metavar="FILE", help="file with a line NAME=VALUE; to other machines over TLS only"
    )
    parser.set_defaults(usage_error=parser.error)
