# SPDX-License-Identifier: Apache-2.0
"""A driver whose studies take a moment and say where they were worked on; run as a program in a network of its own."""

import socket
import sys
import time
from pathlib import Path
from typing import Any

import ray

from vcf_client.gateway.backoff import Backoff
from vcf_screening import rows
from vcf_screening.manifest import Entry
from vcf_screening.run import Plan, Progress
from vcf_screening.screening import Source, screen
from vcf_screening.work import Result, Settings

WEIGHTS = "m1"


def answer(study: str, entry: Entry, settings: Settings, turns: Any) -> Result:
    """A row whose ``scanner`` is the node's address, after half a second; each beginning is noted."""
    node = str(ray.util.get_node_ip_address())
    with Path(entry.location).open("a") as note:
        note.write(f"{node} {socket.gethostname()}\n")
    time.sleep(0.5)
    row = rows.answered_without_score(study, rows.REFUSED, settings.model_hash, "NOT_CT", "no CT")
    return Result({**row, "scanner": node})


def main(manifest: str, out: str, address: str) -> None:
    """Screen a list on a cluster; a line for each look on standard output."""

    def tell(done: Progress) -> None:
        print(done.answered, done.failed, flush=True)

    settings = Settings(("127.0.0.1:1",), b"", model_hash=WEIGHTS)
    plan = Plan(at_once=1, max_attempts=5, backoff=Backoff(0.2, 1.0))
    screen(Source(manifest), Path(out), settings, plan, ray_address=address, tell=tell, screen_one=answer)


if __name__ == "__main__":
    main(*sys.argv[1:])
