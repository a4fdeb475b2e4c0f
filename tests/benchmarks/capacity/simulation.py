# SPDX-License-Identifier: Apache-2.0
"""Queues simulated study by study: the truth that formulas and plans are held to."""

import heapq

import numpy as np


def services(n, mean_s, scv, seed):
    """Gamma-distributed service times of this mean and squared coefficient of variation."""
    rng = np.random.default_rng([seed, 1])
    return np.full(n, mean_s) if scv == 0 else rng.gamma(1 / scv, mean_s * scv, n)


def one_queue(servers, per_s, service_s, seed=0):
    """Time of each study in a queue that several servers take from, and in the system."""
    arrivals = np.cumsum(np.random.default_rng([seed, 2]).exponential(1 / per_s, len(service_s)))
    free = [0.0] * servers
    waits = np.empty(len(service_s))
    for number, (arrived, service) in enumerate(zip(arrivals, service_s, strict=True)):
        begun = max(arrived, heapq.heappop(free))
        heapq.heappush(free, begun + service)
        waits[number] = begun - arrived
    return waits, waits + service_s


def in_turn(servers, per_s, service_s, seed=0):
    """Time of each study in the system, if studies go to the servers in turn, each with its own queue."""
    arrivals = np.cumsum(np.random.default_rng([seed, 2]).exponential(1 / per_s, len(service_s)))
    free = np.zeros(servers)
    times = np.empty(len(service_s))
    for number, (arrived, service) in enumerate(zip(arrivals, service_s, strict=True)):
        server = number % servers
        free[server] = max(arrived, free[server]) + service
        times[number] = free[server] - arrived
    return times
