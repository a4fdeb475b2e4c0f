# SPDX-License-Identifier: Apache-2.0
"""A Ray cluster: this machine's processors for the time of a run, or one that is there already."""

import logging
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray

from vcf_client.memory import ENVIRONMENT
from vcf_contract.errors import SetupError

LOCAL = "local"
"""Stands for an address: a cluster of this machine alone, which ends with this process."""
ANSWER_WITHIN_S = 10.0
_STARTS = 3
_QUIET: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}


@contextmanager
def connected(address: str = LOCAL, processors: int | None = None) -> Iterator[None]:
    """Be the driver of a cluster.

    Parameters
    ----------
    processors
        Of a local cluster: so many may be used, by default all.

    Raises
    ------
    SetupError
        If no cluster answers at the address.
    """
    if address == LOCAL:
        _start(processors)
    else:
        try:
            expect_answer(address)
            ray.init(address=address, **_QUIET)
        except (OSError, RuntimeError, ValueError) as error:
            raise SetupError(f"no Ray cluster at {address}: {error}") from None
    try:
        yield
    finally:
        ray.shutdown()


def _start(processors: int | None) -> None:
    # A secret of this run; Ray would otherwise keep one in the user's home folder.
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    for name, value in ENVIRONMENT.items():  # of the workers, which are this process's children
        os.environ.setdefault(name, value)
    options = {"num_cpus": processors, "include_dashboard": False, "_node_ip_address": "127.0.0.1", **_QUIET}
    for attempt in range(1, _STARTS + 1):
        try:
            ray.init(address=LOCAL, **options)
            return
        except Exception as error:  # it gives its processes half a minute, and raises nothing more special
            ray.shutdown()
            if attempt == _STARTS:
                raise SetupError(f"Ray does not start on this machine: {error}") from None


def processors() -> int:
    """Tell how many processors the cluster has now; its nodes come and go."""
    return max(1, int(ray.cluster_resources().get("CPU", 0)))


def expect_answer(address: str) -> None:
    """Try to reach HOST:PORT or ray://HOST:PORT; Ray itself gives up after minutes.

    Raises
    ------
    OSError
        Nothing answers there.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER_WITHIN_S).close()
