# SPDX-License-Identifier: Apache-2.0
"""The client that the options of `vcf_cli.options.connection` ask for."""

import argparse

from vcf_cli.options.connection import DEFAULT_SERVER
from vcf_client import ApiKey, Retry, Security, VcfClient


def client_of(args: argparse.Namespace, transport: str) -> VcfClient:
    """The client that was asked for; wrong usage ends the program."""
    api_key = ApiKey.read(args.api_key_file) if args.api_key_file else None
    try:
        return VcfClient(
            args.server or [DEFAULT_SERVER],
            deadline_s=args.deadline,
            transport=transport,
            security=Security(args.tls_ca, args.tls_cert, args.tls_key, api_key),
            retry=Retry(args.attempts),
            priority=args.priority,
        )
    except ValueError as error:
        args.usage_error(str(error))
        raise  # not reached: the line above exits
