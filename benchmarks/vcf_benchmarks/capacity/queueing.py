# SPDX-License-Identifier: Apache-2.0
"""Waiting in queues: what theory says of servers that answer one study at a time.

Poisson arrivals, service times of any distribution with squared coefficient of variation ``scv`` (0: always the same
time, 1: exponential), ``servers`` behind one queue.
"""

import math


def erlang_c(servers: int, load: float) -> float:
    """Return the chance that a study waits, with exponential service times (A. K. Erlang, 1917).

    Parameters
    ----------
    load
        Arrivals times mean service time: how many servers are busy on average, under ``servers``.
    """
    if not 0 <= load < servers:
        raise ValueError(f"load is {load!r}, it must be 0 or more and less than servers, {servers}")
    blocked = 1.0
    for busy in range(1, servers + 1):  # Erlang's recursion for the chance that all are busy and nobody may wait
        blocked = load * blocked / (busy + load * blocked)
    return blocked / (1 - load / servers * (1 - blocked))


def mean_wait_s(servers: int, per_s: float, service_s: float, scv: float) -> float:
    """Return the mean wait: exact for one server (Pollaczek and Khinchine), else after Allen and Cunneen (1978)."""
    load = per_s * service_s
    return erlang_c(servers, load) * service_s / (servers - load) * (1 + scv) / 2


def wait_quantile_s(servers: int, per_s: float, service_s: float, scv: float, quantile: float) -> float:
    """Return the time in the queue that a share ``quantile`` of the studies does not exceed.

    Those that wait at all are taken to wait for an exponential time of the right mean: exact for exponential service
    times, and in heavy traffic for all (J. F. C. Kingman, 1962).
    """
    waits = erlang_c(servers, per_s * service_s)
    if waits <= 1 - quantile:
        return 0.0
    return mean_wait_s(servers, per_s, service_s, scv) / waits * math.log(waits / (1 - quantile))
