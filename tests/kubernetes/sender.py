# SPDX-License-Identifier: Apache-2.0
"""Runs inside the cluster, in the client's image: studies without a pause until it is told to end.

``python3 sender.py TARGET STUDY CLIENTS THREADS``: each of so many clients by the threads of its own. A line of JSON
each second, how many are answered and lost so far; the last one when the file ``/tmp/stop`` is there.
"""

import json
import sys
import threading
import time
from collections import Counter
from pathlib import Path

from vcf_client import VcfClient, read_study

STOP = Path("/tmp/stop")


def main(target: str, folder: str, clients: int, threads: int) -> None:
    """Send, and tell."""
    study = read_study(folder)
    answered: list[float] = []
    lost: list[str] = []
    scores: Counter[str] = Counter()

    def send(client: VcfClient) -> None:
        while not STOP.exists():
            started = time.monotonic()
            try:
                findings = client.analyze(study)
            except Exception as error:
                lost.append(f"{type(error).__name__}: {error}"[:300])
                time.sleep(1)
            else:
                answered.append(time.monotonic() - started)
                scores[f"{findings.study_score:.4f}"] += 1

    made = [VcfClient(target) for _ in range(clients)]
    workers = [threading.Thread(target=send, args=[client]) for client in made for _ in range(threads)]
    for worker in workers:
        worker.start()
    while True:
        running = any(worker.is_alive() for worker in workers)
        longest = round(max(answered, default=0), 2)
        told = {"ended": not running, "answered": len(answered), "lost": len(lost), "longest_s": longest}
        print(json.dumps({**told, "scores": dict(scores), "errors": lost[:5]}), flush=True)
        if not running:
            return
        time.sleep(1)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
