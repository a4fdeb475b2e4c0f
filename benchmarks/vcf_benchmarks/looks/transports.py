# SPDX-License-Identifier: Apache-2.0
"""``vcf bench transports``: bytes, processor time and latency of each way to send a study, for the same findings."""

import argparse
import statistics
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from vcf_benchmarks.harness import options
from vcf_benchmarks.harness.answers import difference, scores_of
from vcf_benchmarks.harness.machine import machine
from vcf_benchmarks.harness.processes import Spent, spent
from vcf_benchmarks.harness.served import Served, served
from vcf_benchmarks.harness.studies import demo_series
from vcf_benchmarks.harness.timing import counted_rounds, summary
from vcf_client import Findings, VcfClient
from vcf_client.reader import read_study
from vcf_client.routes import DICOM, TRANSPORTS
from vcf_client.study import Study


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measure the study that the options name."""
    options.at_least(args, runs=1)
    with served(args.server) as server:
        return measure(server, args.study or demo_series(), args.runs)


def measure(server: Served, path: Path, runs: int) -> dict[str, Any]:
    """Send one study by each transport in turn, A B C D A B C D …, after one uncounted round.

    Parameters
    ----------
    path
        DICOM files. Reading them counts for the transport ``dicom`` alone, where the server does it; the others begin
        with the volume in memory.
    """
    study = read_study(path)
    calls: dict[str, list[Spent[Findings]]] = {name: [] for name in TRANSPORTS}
    with ExitStack() as open_clients:
        clients = {name: open_clients.enter_context(VcfClient(server.address, transport=name)) for name in TRANSPORTS}
        for counted in counted_rounds(runs):
            for name, client in clients.items():
                call = _call(client, path if name == DICOM else study, server.pid)
                if counted:
                    calls[name].append(call)
    whole = study.volume.hu.nbytes
    found = {name: of[-1].value for name, of in calls.items()}
    right = scores_of(found["volume"])
    return {
        "volume": list(study.volume.hu.shape),
        "volume_bytes": whole,
        "runs": runs,
        "machine": machine(),
        "largest_score_difference": max(difference(scores_of(one), right) for one in found.values()),
        "transports": {
            name: {
                "bytes_sent": found[name].bytes_sent,
                "share_of_volume": round(found[name].bytes_sent / whole, 4),
                "client_cpu_s": round(statistics.median(call.client_s for call in of), 3),
                "server_cpu_s": round(statistics.median(call.server_s for call in of), 3) if server.pid else None,
                "latency": summary([call.wall_ms for call in of]),
            }
            for name, of in calls.items()
        },
    }


def _call(client: VcfClient, study: Study | Path, server_pid: int | None) -> Spent[Findings]:
    return spent(lambda: client.analyze(study), server_pid)


def table(figures: Mapping[str, Any]) -> list[str]:
    """Return a line for each transport."""
    volume = " × ".join(map(str, figures["volume"]))
    lines = [
        f"volume {volume}, {figures['runs']} calls by each transport, in turn",
        f"{'transport':<10}{'MB sent':>10}{'of volume':>11}{'client CPU s':>14}{'server CPU s':>14}{'median ms':>11}",
    ]
    for name, cost in figures["transports"].items():
        server_cpu = "" if cost["server_cpu_s"] is None else f"{cost['server_cpu_s']:.2f}"
        lines.append(
            f"{name:<10}{cost['bytes_sent'] / 1e6:>10.2f}{cost['share_of_volume']:>11.1%}{cost['client_cpu_s']:>14.2f}"
            f"{server_cpu:>14}{cost['latency']['median_ms']:>11.0f}"
        )
    return [*lines, f"scores differ by {figures['largest_score_difference']:.1e} at most"]
