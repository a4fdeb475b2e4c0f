# SPDX-License-Identifier: Apache-2.0
"""Triton's own timestamps of each request, from its trace file: one file a request, written when the request ends.

With ``log-frequency=1`` the server does not keep traces to itself until it stops. The stamps are those of
``TRITONSERVER_InferenceTraceActivity``, in nanoseconds of the server's monotonic clock. A trace names models and
times and the request's id; it holds no tensor.
"""

import json
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

POLL_S = 0.01


@dataclass(frozen=True)
class Stamps:
    """Tell what one model did for one request: activity to server time in ns."""

    model: str
    at_ns: Mapping[str, int]


@dataclass(frozen=True)
class Trace:
    """One request: the ensemble (or the model) that was asked, and the steps that ran in it."""

    request_id: str
    request: Stamps
    steps: tuple[Stamps, ...] = ()


def key(request_id: str, model: str) -> str:
    """Tell one request from the others of its study, which have the same id: admission is by study."""
    return f"{request_id} {model}"


def arguments(file: Path) -> tuple[str, ...]:
    """Return arguments of ``tritonserver`` that trace each request into a file of its own, ``FILE.0``, ``FILE.1``, …"""
    triton = {"file": str(file), "log-frequency": "1"}
    common = {"level": "TIMESTAMPS", "rate": "1", "count": "-1"}
    return (
        "--trace-config=mode=triton",
        *(f"--trace-config=triton,{key}={value}" for key, value in triton.items()),
        *(f"--trace-config={key}={value}" for key, value in common.items()),
    )


def parse(events: Iterable[Mapping[str, Any]]) -> list[Trace]:
    """Read the requests in the entries of one trace file; entries of one model come in any order."""
    models: dict[int, Mapping[str, Any]] = {}
    at_ns: dict[int, dict[str, int]] = {}
    for event in events:
        if "model_name" in event:
            models[event["id"]] = event
        for stamp in event.get("timestamps", ()):
            at_ns.setdefault(event["id"], {})[stamp["name"]] = int(stamp["ns"])
    stamps = {number: Stamps(model["model_name"], at_ns.get(number, {})) for number, model in models.items()}
    traces = []
    for number, model in models.items():
        if "parent_id" in model:
            continue
        steps = [stamps[other] for other, step in models.items() if step.get("parent_id") == number]
        steps.sort(key=lambda step: step.at_ns.get("REQUEST_START", 0))
        traces.append(Trace(model.get("request_id", ""), stamps[number], tuple(steps)))
    return traces


@dataclass
class TraceFiles:
    """The traces that a server leaves beside ``file``, found by their `key`."""

    file: Path
    _read: set[Path] = field(default_factory=set)
    _traces: dict[str, Trace] = field(default_factory=dict)

    def collect(self, keys: Collection[str], wait_s: float = 5.0) -> dict[str, Trace]:
        """Return those of the given requests that are there, or come while waiting for the others."""
        until = time.monotonic() + wait_s
        while True:
            self._look()
            found = {name: self._traces[name] for name in keys if name in self._traces}
            if len(found) == len(set(keys)) or time.monotonic() > until:
                return found
            time.sleep(POLL_S)

    def _look(self) -> None:
        for path in self.file.parent.glob(f"{self.file.name}*"):
            if path in self._read:
                continue
            try:
                events = json.loads(path.read_text("utf-8"))
            except (json.JSONDecodeError, OSError):
                continue  # still being written
            self._read.add(path)
            self._traces |= {
                key(trace.request_id, trace.request.model): trace for trace in parse(events) if trace.request_id
            }
