# SPDX-License-Identifier: Apache-2.0
"""Analyse studies inside an event loop, as a web service or a queue worker does.

usage: python examples/event_loop.py SERVER STUDY [STUDY ...]
"""

import asyncio
import sys

from vcf_client import AsyncVcfClient
from vcf_contract.errors import VcfError


async def worker(name: str, client: AsyncVcfClient, queue: asyncio.Queue[str]) -> None:
    """Take studies from the queue until the task is cancelled."""
    while True:
        study = await queue.get()
        try:
            findings = await client.analyze(study)
            print(f"{name}: {findings.study_score:.2f} in {sum(findings.timings_ms.values()):.0f} ms on the server")
        except VcfError as error:
            print(f"{name}: {error.code}")
        finally:
            queue.task_done()


async def main(server: str, *studies: str) -> None:
    queue: asyncio.Queue[str] = asyncio.Queue()
    for study in studies:
        queue.put_nowait(study)
    async with AsyncVcfClient(server) as client:
        workers = [asyncio.create_task(worker(f"worker {number}", client, queue)) for number in (1, 2)]
        await queue.join()
        for task in workers:
            task.cancel()


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    asyncio.run(main(*sys.argv[1:]))
