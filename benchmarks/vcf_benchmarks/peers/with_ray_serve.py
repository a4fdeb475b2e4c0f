# SPDX-License-Identifier: Apache-2.0
"""Ray Serve: a replica a core behind its HTTP proxy, the study computed in a thread.

Written after Ray Serve's "Set Up FastAPI and HTTP" (the Starlette request), "Configure Ray Serve deployments" and
"Asyncio and concurrency best practices" (blocking work belongs in a thread). A replica computes one study, and one
more waits there: the default of five would leave a replica idle while studies queue at the other.
"""

import argparse
import asyncio
import signal
import threading
from pathlib import Path
from typing import Any

import ray
from ray import serve
from ray.serve.config import HTTPOptions
from starlette.requests import Request

from vcf_benchmarks.peers.pipeline import Pipeline, workers


@serve.deployment(num_replicas=workers(), max_ongoing_requests=2, ray_actor_options={"num_cpus": 1})
class Analyser:
    """One a replica."""

    def __init__(self) -> None:
        self.pipeline = Pipeline.from_environment()
        self.alone = threading.Lock()

    async def __call__(self, request: Request) -> dict[str, Any]:
        """Findings of the volume in the body."""
        body = await request.body()
        query = request.query_params
        shape, spacing_mm = map(int, query.getlist("shape")), map(float, query.getlist("spacing_mm"))
        location_mm = float(query["slice_location_mm"])
        return await asyncio.to_thread(self._analyze, body, list(shape), list(spacing_mm), location_mm)

    def _analyze(self, body: bytes, shape: list[int], spacing_mm: list[float], location_mm: float) -> dict[str, Any]:
        with self.alone:
            return self.pipeline(body, shape, spacing_mm, location_mm)


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    ray.init(
        address="local",
        num_cpus=workers(),
        include_dashboard=False,
        log_to_driver=False,
        _node_ip_address="127.0.0.1",
        # Logs and sockets, where whoever started this cleans up. A longer path would not do for the sockets.
        _temp_dir=str(Path.cwd()),
    )
    try:
        serve.start(http_options=HTTPOptions(host="127.0.0.1", port=port))
        serve.run(Analyser.bind(), route_prefix="/analyze")  # type: ignore[attr-defined]
        stopped.wait()
    finally:
        serve.shutdown()
        ray.shutdown()


if __name__ == "__main__":
    main()
