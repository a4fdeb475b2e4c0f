# SPDX-License-Identifier: Apache-2.0
"""Stopping ``vcf serve`` with clients connected: how long, with which exit code, and what is left."""

import http.client
import os
import signal
import time

from vcf_benchmarks.drills.figures import Line
from vcf_benchmarks.drills.serving import Load, Serving, left_over
from vcf_benchmarks.harness.studies import stretched_ct
from vcf_client import VcfClient

MOST_S = 10.0
IDLE_CONNECTIONS = 8


def run() -> list[Line]:
    """SIGTERM while studies are in flight, channels are open and HTTP connections are kept alive."""
    study = stretched_ct(40, 200.0)
    with Serving() as serving, VcfClient(serving.address) as client, Load(serving.address, study, 2):
        client.analyze(study)
        kept = []
        for _ in range(IDLE_CONNECTIONS):
            connection = http.client.HTTPConnection(serving.http_address, timeout=30)
            connection.request("GET", "/v2/health/ready")
            connection.getresponse().read()
            kept.append(connection)
        os.kill(serving.owner, signal.SIGTERM)
        started = time.monotonic()
        status = serving.wait(120)
        seconds = time.monotonic() - started
        rest = left_over(serving.owner, serving.started)
        for connection in kept:
            connection.close()
    return [
        Line("stop", f"with {IDLE_CONNECTIONS} idle and 2 busy clients", round(seconds, 1), MOST_S, "s", "15.5 s"),
        Line("stop", "exit code", 120 if status is None else status, goal=0),
        Line("stop", "processes and files left", len(rest), goal=0),
    ]
