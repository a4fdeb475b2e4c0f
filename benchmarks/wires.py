# SPDX-License-Identifier: Apache-2.0
"""What each wire costs: bytes, processor time of client and server, and latency, for the same study and findings."""

import statistics
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.processes import cpu_s
from benchmarks.timing import machine, summary
from clients import Findings, VcfClient
from clients.reader import read_study
from clients.routes import DICOM, WIRES


def measure(server: str, server_pid: int | None, path: Path, runs: int) -> dict[str, Any]:
    """One study by each wire in turn, A B C D A B C D …, after one uncounted round.

    Parameters
    ----------
    server_pid
        The process whose descendants are the server's processes and no others; None leaves out its processor time.
    path
        DICOM files. Reading them counts for the wire ``dicom`` alone, where the server does it; the others begin
        with the volume in memory.
    """
    study = read_study(path)
    calls: dict[str, list[dict[str, float]]] = {wire: [] for wire in WIRES}
    found: dict[str, Findings] = {}
    with ExitStack() as open_clients:
        clients = {wire: open_clients.enter_context(VcfClient(server, wire=wire)) for wire in WIRES}
        for counted in [False] + [True] * runs:
            for wire, client in clients.items():
                call, found[wire] = _call(client, path if wire == DICOM else study, server_pid)
                if counted:
                    calls[wire].append(call)
    whole = study.volume.hu.nbytes
    return {
        "volume": list(study.volume.hu.shape),
        "volume_bytes": whole,
        "runs": runs,
        "machine": machine(),
        "largest_score_difference": max(_difference(found[wire], found["volume"]) for wire in WIRES),
        "wires": {
            wire: {
                "bytes_sent": found[wire].bytes_sent,
                "share_of_volume": round(found[wire].bytes_sent / whole, 4),
                "client_cpu_s": _median(calls[wire], "client_cpu_s"),
                "server_cpu_s": _median(calls[wire], "server_cpu_s") if server_pid else None,
                "latency": summary([call["latency_ms"] for call in calls[wire]]),
            }
            for wire in WIRES
        },
    }


def _call(client: VcfClient, study: Any, server_pid: int | None) -> tuple[dict[str, float], Findings]:
    server_s = cpu_s(server_pid) if server_pid else 0.0
    client_s, started = time.process_time(), time.perf_counter()
    findings = client.analyze(study)
    latency_ms = (time.perf_counter() - started) * 1e3
    return {
        "latency_ms": latency_ms,
        "client_cpu_s": time.process_time() - client_s,
        "server_cpu_s": (cpu_s(server_pid) if server_pid else 0.0) - server_s,
    }, findings


def _median(calls: list[dict[str, float]], key: str) -> float:
    return round(statistics.median(call[key] for call in calls), 3)


def _difference(a: Findings, b: Findings) -> float:
    return max(abs(x.score - y.score) for x, y in zip(a.patches, b.patches, strict=True))
