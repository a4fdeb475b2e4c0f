# SPDX-License-Identifier: Apache-2.0
"""The server that a load test asks, what may be watched of it, and calls whose answers are checked."""

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import numpy as np

from vcf_benchmarks.harness import validity
from vcf_benchmarks.harness.answers import Reference, references
from vcf_benchmarks.harness.calls import WRONG, Ask
from vcf_benchmarks.harness.processes import cpu_s
from vcf_client import AsyncVcfClient, VcfClient
from vcf_client.study import Study
from vcf_server.assets import MODEL_REPOSITORY
from vcf_server.server import TritonServer


@dataclass(frozen=True)
class Served:
    """A server that answers.

    pid
        A process with the server among its descendants, this one; None for a server that was there already.
    """

    address: str
    pid: int | None

    def watch(self) -> AbstractContextManager[validity.Watch]:
        """Watch the machine, where the server's own work can be told from that of others."""
        return validity.watched(self.pid) if self.pid else nullcontext(validity.Watch())

    def cpu_s(self) -> float | None:
        """Return the processor time of the server so far, None where it cannot be known."""
        return None if self.pid is None else cpu_s(self.pid)


@contextmanager
def served(address: str | None, extra_args: Sequence[str] = ()) -> Iterator[Served]:
    """Yield the given server, or one with these arguments that lives as long as the measurement."""
    if address:
        yield Served(address, None)
        return
    with TritonServer(MODEL_REPOSITORY, extra_args=tuple(extra_args)) as server:
        yield Served(server.grpc_url, os.getpid())


def right_answers(address: str, transport: str, studies: Sequence[Study]) -> tuple[Reference, ...]:
    """Ask a server without other work for reference answers, where it can be by another transport than the measured.

    Raises
    ------
    ValueError
        If the two transports do not agree.
    """
    other = "crop" if transport == "volume" else "volume"
    with VcfClient(address, transport=other) as client, VcfClient(address, transport=transport) as measured:
        found = references([client.analyze(study) for study in studies])
        for study, reference in zip(studies, found, strict=True):
            mistake = reference.mistake(measured.analyze(study))
            if mistake:
                raise ValueError(f"transports {other} and {transport} answer the same study differently: {mistake}")
    return found


def asking(client: AsyncVcfClient, studies: Sequence[Study], right: Sequence[Reference], seed: int) -> Ask:
    """Return calls of a client, studies by chance, each answer checked."""
    order = np.random.default_rng(seed).integers(0, len(studies), 100_000).tolist()

    async def ask(number: int) -> str | None:
        which = order[number % len(order)]
        return WRONG if right[which].mistake(await client.analyze(studies[which])) else None

    return ask


def broken(watch: validity.Watch, failures: Sequence[str | None]) -> list[str]:
    """Return the rules that machine and answers broke."""
    answers = len(failures)
    found = [
        *watch.broken,
        validity.wrong(answers, sum(failure == WRONG for failure in failures)),
        validity.failed(answers, [failure for failure in failures if failure and failure != WRONG]),
    ]
    return [rule for rule in found if rule]
