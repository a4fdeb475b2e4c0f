# SPDX-License-Identifier: Apache-2.0
"""Tell what is compared: Triton in its own ways, four peers, and a plain loop. Each comes up, answers studies and
goes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from vcf_benchmarks.harness import machine
from vcf_benchmarks.harness.answers import BATCHED_WITHIN, difference, scores_of
from vcf_benchmarks.peers.apart import PipelineApart
from vcf_benchmarks.peers.server import ANSWER_TIMEOUT_S, PEERS, Caller, Peer, PeerServer
from vcf_client import AsyncVcfClient
from vcf_client.study import Study
from vcf_contract.contract import PATCH_SCORES, STUDY_SCORE
from vcf_contract.errors import ServerFailed, ServerUnavailable
from vcf_export.config import CPU, ONNXRUNTIME
from vcf_server.assets import MODEL_REPOSITORY
from vcf_server.server import TritonServer

TRITON, TRITON_VOLUME, TRITON_ONNXRUNTIME, IN_PROCESS = "triton", "triton_volume", "triton_onnxruntime", "in_process"


@dataclass(frozen=True)
class Answer:
    """The part of the findings that tells right answers from wrong ones."""

    study_score: float
    patch_scores: Sequence[float]

    def agrees(self, other: "Answer") -> bool:
        """Return whether both say the same, but for the order of additions."""
        ours, theirs = ([one.study_score, *one.patch_scores] for one in (self, other))
        return difference(ours, theirs) <= BATCHED_WITHIN


Analyze = Callable[[Study], Awaitable[Answer]]


@dataclass(frozen=True)
class Running:
    """A system that answers."""

    startup_s: float
    analyze: Analyze


@dataclass(frozen=True)
class System:
    """One line of the comparison.

    runs_on, takes
        Runtime of the networks, and how a study gets there; for the reader.
    up
        The system as a context, for so many calls at a time.
    """

    name: str
    title: str
    runs_on: str
    takes: str
    up: Callable[[int], AbstractAsyncContextManager[Running]]
    missing: str | None = None
    """Package without which it cannot run here."""


def systems(
    peers: Sequence[str], workers: int | None = None, threads: int = 1, models: Path = MODEL_REPOSITORY
) -> list[System]:
    """List all that are compared, in the order in which they take turns."""
    openvino, onnx = "OpenVINO, heads ONNX Runtime", "ONNX Runtime"
    own = [
        System(TRITON, "Triton", openvino, "scout and crop, gRPC", lambda at_once: _triton(models, CPU, "crop")),
        System(
            IN_PROCESS, "In-process loop", openvino, "volume in memory", lambda at_once: _in_process(models, at_once)
        ),
        System(
            TRITON_VOLUME,
            "Triton, whole volume",
            openvino,
            "volume, gRPC",
            lambda at_once: _triton(models, CPU, "volume"),
        ),
        System(
            TRITON_ONNXRUNTIME,
            "Triton, ONNX Runtime",
            onnx,
            "volume, gRPC",
            lambda at_once: _triton(models, ONNXRUNTIME, "volume"),
        ),
    ]
    return [*own, *(_peer_system(PEERS[name], workers, threads, models, onnx) for name in peers)]


def reference(studies: Sequence[Study], models: Path = MODEL_REPOSITORY) -> list[Answer]:
    """Return the right answers, from the pipeline alone.

    Raises
    ------
    ValueError
        If two studies have the same answer: mixed-up answers would go unseen.
    """
    with PipelineApart(models, 1) as pipeline:
        answers = [Answer(*pipeline.scores(study)) for study in studies]
    for number, answer in enumerate(answers):
        if any(answer.agrees(other) for other in answers[:number]):
            raise ValueError("two studies have the same answer: mixed-up answers would go unseen")
    return answers


def _peer_system(peer: Peer, workers: int | None, threads: int, models: Path, runs_on: str) -> System:
    takes = "volume, HTTP form" if peer.form else "volume, HTTP body"

    def up(at_once: int) -> AbstractAsyncContextManager[Running]:
        return _peer(peer, workers, threads, models, at_once)

    return System(peer.name, peer.title, runs_on, takes, up, None if peer.installed else peer.package)


@asynccontextmanager
async def _triton(models: Path, form: str, transport: str) -> AsyncIterator[Running]:
    with TritonServer(models, config_name=form) as server:
        async with AsyncVcfClient(server.grpc_url, transport=transport, deadline_s=ANSWER_TIMEOUT_S) as client:

            async def analyze(study: Study) -> Answer:
                findings = await client.analyze(study)
                return Answer(findings.study_score, scores_of(findings))

            yield Running(server.startup_s, analyze)


@asynccontextmanager
async def _peer(peer: Peer, workers: int | None, threads: int, models: Path, at_once: int) -> AsyncIterator[Running]:
    with PeerServer(peer, models, workers=workers, threads=threads) as server, ThreadPoolExecutor(at_once) as pool:
        callers: list[Caller] = []
        """Free ones; a connection is made when all others are busy or idle for too long, as a pool of them does."""

        def ask(study: Study) -> Answer:
            caller = callers.pop() if callers else Caller(peer, server.port)
            if caller.stale:
                caller.close()
                caller = Caller(peer, server.port)
            try:
                found = caller.analyze(study.volume)
            except OSError as error:
                caller.close()
                raise ServerUnavailable(f"{peer.title}: {type(error).__name__}") from None
            except RuntimeError as error:
                caller.close()
                raise ServerFailed(str(error)) from None
            callers.append(caller)
            return Answer(found[STUDY_SCORE.name], found[PATCH_SCORES.name])

        async def analyze(study: Study) -> Answer:
            return await asyncio.get_running_loop().run_in_executor(pool, ask, study)

        try:
            yield Running(server.startup_s, analyze)
        finally:
            for caller in callers:
                caller.close()


@asynccontextmanager
async def _in_process(models: Path, at_once: int) -> AsyncIterator[Running]:
    cores = machine.cores()
    with PipelineApart(models, cores) as pipeline, ThreadPoolExecutor(cores) as pool:

        async def analyze(study: Study) -> Answer:
            return Answer(*await asyncio.get_running_loop().run_in_executor(pool, pipeline.scores, study))

        yield Running(0.0, analyze)
