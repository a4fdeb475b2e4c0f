# SPDX-License-Identifier: Apache-2.0
"""The client's half of a study's timeline: what the product's own client did and when, seen from its call layer.

`clients.core.Core` does all it does through ``Calls``; this module hands it one that keeps time. Nothing of the
client is repeated or changed.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from tritonclient.grpc import service_pb2 as kserve

from clients.calls import Blocking, Metadata, finish
from clients.client import DEFAULT_DEADLINE_S
from clients.core import Core
from clients.dicom.files import read_all
from clients.findings import Findings
from clients.reader import read_study
from clients.region import Region, fill
from clients.report import write_report
from clients.retry import Retry
from clients.security import PLAIN
from clients.wire import prepare, read_answer
from preprocess import crop, sagittal, slices

P = ParamSpec("P")
T = TypeVar("T")

SCAN, DECODE, FILES = "read headers", "decode pixels", "read files"
IMAGES, CUT, VIEW, COPY = "detector images", "cut the crop", "picture", "copy to shared memory"
SERIALISE, ANSWER = "serialise", "parse the answer"
EXCHANGE, REGION = "request and answer", "name the shared memory"
FINDINGS, REPORT = "findings", "report"

WORK: dict[object, str] = {
    read_study: DECODE,
    read_all: FILES,
    slices.detector_images: IMAGES,
    crop.cut: CUT,
    sagittal.midsagittal: VIEW,
    Region: COPY,
    fill: COPY,
    prepare: SERIALISE,
    read_answer: ANSWER,
}
"""What the client hands to its call layer as work."""


@dataclass(frozen=True)
class Event:
    """Something the client did; times of ``time.monotonic_ns``. ``request_id`` where it belongs to a request."""

    name: str
    start_ns: int
    end_ns: int
    request_id: str | None = None
    door: str | None = None


@dataclass(frozen=True)
class ClientRecord:
    """One study from its files to its report, as the client saw it."""

    start_ns: int
    end_ns: int
    events: tuple[Event, ...]
    findings: Findings

    @property
    def request_ids(self) -> list[str]:
        """Of the study's requests, in order."""
        return [event.request_id for event in self.events if event.name == EXCHANGE and event.request_id]


class Recording(Blocking):
    """Blocking calls that note when each began and ended."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Event] = []
        self._request: tuple[str | None, str | None] = (None, None)

    async def work(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if function is prepare:
            door, request_id = args[:2]
            self._request = (str(request_id), str(door))
        name = WORK.get(function, getattr(function, "__name__", "work"))
        request = self._request if name in (SERIALISE, ANSWER) else (None, None)
        start_ns = time.monotonic_ns()
        try:
            return function(*args, **kwargs)
        finally:
            self.events.append(Event(name, start_ns, time.monotonic_ns(), *request))

    async def call(self, method: Any, request: Any, timeout_s: float, metadata: Metadata) -> Any:
        # A prepared inference is bytes; shared memory is registered with messages.
        name, ids = (EXCHANGE, self._request) if isinstance(request, bytes) else (REGION, (None, None))
        start_ns = time.monotonic_ns()
        try:
            return await super().call(method, request, timeout_s, metadata)
        finally:
            if not isinstance(request, kserve.ModelReadyRequest):
                self.events.append(Event(name, start_ns, time.monotonic_ns(), *ids))

    async def tell(self, method: Any, request: Any, timeout_s: float, metadata: Metadata, wait_s: float) -> None:
        start_ns = time.monotonic_ns()
        await super().tell(method, request, timeout_s, metadata, wait_s)
        self.events.append(Event(REGION, start_ns, time.monotonic_ns()))


class RecordingClient:
    """The product's client on one wire, keeping time. Use it as a context manager."""

    def __init__(self, address: str, wire: str) -> None:
        self._calls = Recording()
        self._core = Core(
            address,
            deadline_s=DEFAULT_DEADLINE_S,
            wire=wire,
            security=PLAIN,
            retry=Retry(),
            keepalive_s=None,
            calls=self._calls,
        )

    def __enter__(self) -> "RecordingClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        finish(self._core.close())

    def analyze(self, study: Path, report: Path) -> ClientRecord:
        """A study from the path of its files to its report in a folder."""
        first_slice_ns: list[int] = []

        def progress(done: int, total: int) -> None:
            if not first_slice_ns:
                first_slice_ns.append(time.monotonic_ns())

        self._calls.events = []
        start_ns = time.monotonic_ns()
        findings = finish(self._core.analyze(study, "warn", progress))
        found_ns = time.monotonic_ns()
        findings = write_report(findings, report)
        end_ns = time.monotonic_ns()
        events = _split_reading(self._calls.events, first_slice_ns)
        # The last thing that `Core.analyze` does is to make findings of the answer.
        last_ns = max(event.end_ns for event in events)
        events += [Event(FINDINGS, last_ns, found_ns), Event(REPORT, found_ns, end_ns)]
        return ClientRecord(start_ns, end_ns, tuple(events), findings)


def _split_reading(events: list[Event], first_slice_ns: list[int]) -> list[Event]:
    """Headers until the first slice is decoded, pixels from then on."""
    split: list[Event] = []
    for event in events:
        if event.name == DECODE and first_slice_ns:
            split.append(Event(SCAN, event.start_ns, first_slice_ns[0]))
            event = Event(DECODE, first_slice_ns[0], event.end_ns)
        split.append(event)
    return split
