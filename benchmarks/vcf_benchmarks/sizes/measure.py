# SPDX-License-Identifier: Apache-2.0
"""Studies of several sizes by several transports: time and processor time in turn, and peak memory.

The cost is that of the whole call, from a volume in the client's memory to its findings.
"""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from vcf_benchmarks.harness.memory import Meter, server_processes
from vcf_benchmarks.harness.processes import spent
from vcf_benchmarks.harness.windows import rounds_of, until_settled
from vcf_benchmarks.sizes.figures import Cost, targets
from vcf_client import VcfClient
from vcf_client.study import Study
from vcf_server.assets import MODEL_REPOSITORY
from vcf_server.server import TritonServer

TRANSPORTS = ("crop", "shm", "volume")
AT_ONCE = 4
"""Studies in flight when memory is measured."""
CLIENT = "client"
MOST_WINDOWS = 6


def time_all(studies: Sequence[Study], costs: Mapping[str, list[Cost]], runs: int) -> int:
    """Time all sizes by all transports until windows agree, and return how many windows there were."""
    with TritonServer(MODEL_REPOSITORY) as server, ExitStack() as opened:
        clients = {
            transport: opened.enter_context(VcfClient(server.grpc_url, transport=transport)) for transport in TRANSPORTS
        }

        def one_round(*, counted: bool) -> None:
            for number, study in enumerate(studies):
                for transport, client in clients.items():
                    took = spent(lambda client=client, study=study: client.analyze(study), os.getpid())  # type: ignore[misc]
                    cost = costs[transport][number]
                    cost.answered(took.value)
                    if counted:
                        cost.times_ms.append(took.wall_ms)
                        cost.core_s.append(took.core_s)

        def window() -> None:
            for _ in range(rounds_of(runs)):
                one_round(counted=True)

        def unsettled() -> bool:
            return any(
                t.unsettled for transport in TRANSPORTS for t in targets(transport, costs[transport], rounds_of(runs))
            )

        one_round(counted=False)
        return until_settled(window, unsettled, MOST_WINDOWS)


def weigh(study: Study, transport: str, cost: Cost) -> None:
    """Sample peak memory with `AT_ONCE` studies in flight, twice as many in all, of a server that has seen none."""
    with (
        TritonServer(MODEL_REPOSITORY) as server,
        VcfClient(server.grpc_url, transport=transport) as client,
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):
        # The client's own memory, which is that of the benchmark, is measured beside the server's and not added.
        server_only = Meter(server_processes(os.getpid()), f"vcf-{os.getpid()}-")
        with Meter({CLIENT: os.getpid()}) as client_only, server_only:
            for waiting in [pool.submit(client.analyze, study) for _ in range(2 * AT_ONCE)]:
                cost.answered(waiting.result())
    cost.server_growth_bytes = server_only.growth_bytes / AT_ONCE
    cost.peak_growth_bytes = {
        name: (peak - meter.before_bytes.get(name, 0)) / AT_ONCE
        for meter in (client_only, server_only)
        for name, peak in meter.peak_bytes.items()
    }
