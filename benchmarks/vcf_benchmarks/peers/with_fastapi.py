# SPDX-License-Identifier: Apache-2.0
"""FastAPI and ONNX Runtime: uvicorn with a worker process a core, the study computed in the thread pool.

Written after FastAPI's "Using the Request Directly", "Concurrency and async / await" (blocking work belongs in the
thread pool) and "Server Workers". The body is the volume's bytes alone, without a form around them.
"""

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import uvicorn
from fastapi import FastAPI, Query, Request
from fastapi.concurrency import run_in_threadpool

from vcf_benchmarks.peers.pipeline import Pipeline, workers


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Load the networks once a worker."""
    app.state.pipeline = Pipeline.from_environment()
    yield


app = FastAPI(lifespan=lifespan)


@app.post("/analyze")  # type: ignore[untyped-decorator]  # of a package that may be missing
async def analyze(
    request: Request,
    shape: Annotated[list[int], Query()],
    spacing_mm: Annotated[list[float], Query()],
    slice_location_mm: float,
) -> dict[str, Any]:
    """Findings of the volume in the body."""
    body = await request.body()
    pipeline: Pipeline = request.app.state.pipeline
    findings: dict[str, Any] = await run_in_threadpool(pipeline, body, shape, spacing_mm, slice_location_mm)
    return findings


@app.get("/healthz")  # type: ignore[untyped-decorator]
async def health() -> str:
    """Ready."""
    return "ok"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    uvicorn.run(
        "vcf_benchmarks.peers.with_fastapi:app",
        host="127.0.0.1",
        port=port,
        workers=workers(),
        # The default of 5 s would end workers that are busy loading on a slow machine.
        timeout_worker_healthcheck=60,
        log_level="warning",
    )
