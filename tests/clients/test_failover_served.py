# SPDX-License-Identifier: Apache-2.0
"""Two real servers that are stopped and killed in turn while studies come: none is lost, and each has its share."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tritonclient import grpc as triton

from vcf_client import Retry, VcfClient
from vcf_contract.contract import VCF_CROP

if TYPE_CHECKING:
    from vcf_client import Study
    from vcf_server.server import TritonServer

pytestmark = [
    pytest.mark.server,
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("pytriton") is None, reason="the Triton server is not installed (nvidia-pytriton)"),
]

STUDIES = int(os.environ.get("VCF_TEST_FAILOVER", "120"))
"""How many studies come at least while servers stop; 2000 have been tried."""
PATIENT = Retry(attempts=20, first_s=0.2, longest_s=2.0)


def started(repository: Path, before: TritonServer | None = None) -> TritonServer:
    """A server, on the ports of one that has gone."""
    from vcf_server.server import TritonServer

    if before is None:
        return TritonServer(repository).start()
    return TritonServer(
        repository, grpc_port=before.grpc_port, http_port=before.http_port, metrics_port=before.metrics_port
    ).start()


@pytest.fixture
def servers(tiny_repository: Path) -> Iterator[list[TritonServer]]:
    found = [started(tiny_repository)]
    try:
        found.append(started(tiny_repository))
        yield found
    finally:
        for server in found:
            server.stop()


def crops(server: TritonServer) -> int:
    with triton.InferenceServerClient(server.grpc_url) as client:
        return int(client.get_inference_statistics(VCF_CROP.name).model_stats[0].inference_count)


@pytest.mark.parametrize("threads", [1, 4])
def test_each_of_two_has_half_of_the_crops(servers: list[TritonServer], study: Study, threads: int) -> None:
    with VcfClient([server.grpc_url for server in servers], retry=PATIENT) as client:
        outcomes = list(client.analyze_many([study] * 30, concurrency=threads))
    assert all(outcome.findings for outcome in outcomes)
    shares = [crops(server) / 30 for server in servers]
    assert sum(shares) == 1 and all(0.4 <= share <= 0.6 for share in shares)


def test_no_study_is_lost_while_servers_stop_and_are_killed_in_turn(
    servers: list[TritonServer], tiny_repository: Path, study: Study
) -> None:
    over = threading.Event()
    how: Counter[str] = Counter()

    def in_turn() -> None:
        try:
            turn = 0
            while not over.is_set():
                which, kill = turn % 2, turn % 4 > 1
                if kill:
                    assert servers[which]._guard is not None
                    os.kill(servers[which]._guard.pid, signal.SIGKILL)
                servers[which].stop()
                how["killed" if kill else "stopped"] += 1
                servers[which] = started(tiny_repository, servers[which])
                turn += 1
        finally:
            over.set()

    done, failed = 0, []
    with VcfClient([server.grpc_url for server in servers], retry=PATIENT) as client:
        stopper = threading.Thread(target=in_turn)
        stopper.start()
        while (done < STUDIES or sum(how.values()) < 4) and not over.is_set():
            for outcome in client.analyze_many([study] * 20, concurrency=4):
                done += 1
                failed += [str(outcome.error)] if outcome.error else []
        ended_early = over.is_set()
        over.set()
        stopper.join()
    print(f"{done} studies, {len(failed)} failed, servers {dict(how)}")
    assert not ended_early and failed == []
