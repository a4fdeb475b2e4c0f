# SPDX-License-Identifier: Apache-2.0
"""Types of arguments: text that is no such number is wrong usage, in a sentence that says what is accepted."""

import argparse
from urllib.parse import urlsplit

from vcf_client.addresses import checked


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


def natural(text: str) -> int:
    """Argument type: a whole number, at least 0."""
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 0 or more")
    return int(text)


def server_address(text: str) -> str:
    """Argument type: the address of a server's gRPC endpoint."""
    try:
        return checked(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def otlp_url(text: str) -> str:
    """The address of a collector, OTLP over HTTP."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise argparse.ArgumentTypeError(f"{text!r} is no http:// or https:// address, as http://HOST:4318/v1/traces")
    return text
