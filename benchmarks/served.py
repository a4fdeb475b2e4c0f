# SPDX-License-Identifier: Apache-2.0
"""The server that a load test asks, what may be watched of it, and studies with their right answers."""

import argparse
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.reference import Reference
    from benchmarks.validity import Watch
    from clients.study import Study

WIRES = ("auto", "shm", "crop", "volume")
"""Those that take a study in memory."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options that load tests share."""
    parser.add_argument("--server", metavar="ADDRESS", help="a running server; by default one is started and stopped")
    parser.add_argument("--wire", choices=WIRES, default="auto", help="as `vcf analyze` takes it, default %(default)s")
    parser.add_argument(
        "--slices", type=int, default=133, help="of 512 × 512 pixels, from LIDC-IDRI-0001, default %(default)s"
    )
    parser.add_argument(
        "--studies", type=int, default=4, help="different studies that take turns by chance, default %(default)s"
    )
    parser.add_argument("--seed", type=int, default=1, help="of arrivals and studies, default %(default)s")


def check(args: argparse.Namespace, *names: str) -> None:
    """Raise UsageError unless these options, and those of `add_arguments` that are numbers, are greater than 0."""
    from vcf.errors import UsageError

    for name in (*names, "slices", "studies"):
        if not getattr(args, name) > 0:
            raise UsageError(f"--{name.replace('_', '-')} is {getattr(args, name)}, it must be greater than 0")


def settings(args: argparse.Namespace) -> dict[str, Any]:
    """Those of `add_arguments` as the JSON has them."""
    return {
        "server": "given" if args.server else "own",
        "wire": args.wire,
        "slices": args.slices,
        "studies": args.studies,
        "seed": args.seed,
    }


@dataclass(frozen=True)
class Served:
    """A server that answers.

    pid
        A process with the server among its descendants, this one; None for a server that was there already.
    """

    address: str
    pid: int | None

    def watch(self) -> Any:
        """A context in which the machine is watched; of no use where the server's own work cannot be told apart."""
        from benchmarks.validity import Watch, watched

        return watched(self.pid) if self.pid else nullcontext(Watch())

    def cpu_s(self) -> float | None:
        """Processor time of the server so far."""
        from benchmarks.processes import cpu_s

        return None if self.pid is None else cpu_s(self.pid)


@contextmanager
def served(address: str | None) -> Iterator[Served]:
    """The given server, or one that lives as long as the measurement."""
    if address:
        yield Served(address, None)
        return
    from vcf.serve.server import ROOT, TritonServer

    with TritonServer(ROOT / "model_repository") as server:
        yield Served(server.grpc_url, os.getpid())


def right_answers(address: str, wire: str, studies: "Sequence[Study]") -> "tuple[Reference, ...]":
    """Reference answers, from a server without other work; where it can be, by another wire than the one measured."""
    from benchmarks.reference import references
    from clients import VcfClient

    other = "crop" if wire == "volume" else "volume"
    with VcfClient(address, wire=other) as client, VcfClient(address, wire=wire) as measured:
        found = references([client.analyze(study) for study in studies])
        for study, reference in zip(studies, found, strict=True):
            mistake = reference.mistake(measured.analyze(study))
            if mistake:
                raise ValueError(f"the wires {other} and {wire} give different answers to the same study: {mistake}")
    return found


def broken(watch: "Watch", failures: Sequence[str | None]) -> list[str]:
    """Rules that machine and answers broke."""
    from benchmarks import validity
    from benchmarks.open_loop import WRONG

    answers = len(failures)
    found = [
        *watch.broken,
        validity.wrong(answers, sum(failure == WRONG for failure in failures)),
        validity.failed(answers, [failure for failure in failures if failure and failure != WRONG]),
    ]
    return [rule for rule in found if rule]
