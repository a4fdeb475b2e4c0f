# SPDX-License-Identifier: Apache-2.0
"""Options that say which servers are called, and how."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clients import VcfClient

DEFAULT_SERVER = "127.0.0.1:8001"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Register them."""
    servers = parser.add_argument_group("servers")
    servers.add_argument(
        "--server",
        action="append",
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
    servers.add_argument("--tls-ca", type=Path, metavar="PEM", help="certificate authority of the server; turns TLS on")
    servers.add_argument("--tls-cert", type=Path, metavar="PEM", help="the client's own certificate, with --tls-key")
    servers.add_argument("--tls-key", type=Path, metavar="PEM", help="private key of --tls-cert")
    servers.add_argument(
        "--api-key-file", type=Path, metavar="FILE", help="file with a line NAME=VALUE; to other machines over TLS only"
    )
    parser.set_defaults(usage_error=parser.error)


def client_of(args: argparse.Namespace, wire: str) -> "VcfClient":
    """The client that was asked for; wrong usage ends the program."""
    from clients import ApiKey, Retry, Security, VcfClient

    api_key = ApiKey.read(args.api_key_file) if args.api_key_file else None
    try:
        return VcfClient(
            args.server or [DEFAULT_SERVER],
            deadline_s=args.deadline,
            wire=wire,
            security=Security(args.tls_ca, args.tls_cert, args.tls_key, api_key),
            retry=Retry(args.attempts),
        )
    except ValueError as error:
        args.usage_error(str(error))
        raise  # not reached: the line above exits


def positive(text: str) -> float:
    """Argument type: a number of seconds greater than 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds greater than 0")
    return value


def count(text: str) -> int:
    """Argument type: a whole number, at least 1."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)
