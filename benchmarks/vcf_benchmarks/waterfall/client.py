# SPDX-License-Identifier: Apache-2.0
"""The client's half of a study's timeline: what the product's own client did and when, seen from its call layer.

`vcf_client.core.Core` does all it does through ``Calls``; this module hands it one that keeps time. Nothing of the
client is repeated or changed.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from tritonclient.grpc import service_pb2 as kserve

from vcf_benchmarks.waterfall.trace import key
from vcf_client.calls import Blocking, Metadata, finish
from vcf_client.client import DEFAULT_DEADLINE_S
from vcf_client.core import Core
from vcf_client.dicom.files import read_all
from vcf_client.findings import Findings
from vcf_client.message import prepare, read_answer
from vcf_client.one_thread import on_one_thread
from vcf_client.reader import read_study
from vcf_client.region import Region, copy_into
from vcf_client.report import write_report
from vcf_client.retry import Retry
from vcf_client.security import PLAIN
from vcf_contract.contract import ADMISSION
from vcf_preprocess import crop, sagittal, slices

P = ParamSpec("P")
T = TypeVar("T")

SCAN, DECODE, FILES = "read headers", "decode pixels", "read files"
IMAGES, CUT, VIEW, COPY = "detector images", "cut the crop", "picture", "copy to shared memory"
SERIALISE, ANSWER = "serialise", "parse the answer"
EXCHANGE, ADMIT, REGION = "request and answer", "ask for room", "name the shared memory"
FINDINGS, REPORT = "findings", "report"

WORK: dict[object, str] = {
    read_study: DECODE,
    read_all: FILES,
    slices.detector_images: IMAGES,
    crop.cut: CUT,
    sagittal.midsagittal: VIEW,
    Region: COPY,
    copy_into: COPY,
    prepare: SERIALISE,
    read_answer: ANSWER,
}
"""What the client hands to its call layer as work."""


_SHORT = 4096
"""Bytes that a request for admission stays far below, and one with an image above."""


@dataclass(frozen=True)
class Event:
    """Something the client did; times of ``time.monotonic_ns``. ``request_id`` where it belongs to a request: its
    `trace.key`."""

    name: str
    start_ns: int
    end_ns: int
    request_id: str | None = None
    request: str | None = None


@dataclass(frozen=True)
class ClientRecord:
    """One study from its files to its report, as the client saw it."""

    start_ns: int
    end_ns: int
    events: tuple[Event, ...]
    findings: Findings

    @property
    def request_ids(self) -> list[str]:
        """Ids of the study's requests, in order."""
        return [event.request_id for event in self.events if event.name == EXCHANGE and event.request_id]


class Recording(Blocking):
    """Blocking calls that note when each began and ended."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Event] = []
        self._request: tuple[str | None, str | None] = (None, None)

    async def work(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if function is prepare:
            ensemble, request_id = args[:2]
            self._request = (key(str(request_id), str(ensemble)), str(ensemble))
        done: object = args[0] if function is on_one_thread else function
        name = WORK.get(done, getattr(done, "__name__", "work"))
        request = self._request if name in (SERIALISE, ANSWER) else (None, None)
        start_ns = time.monotonic_ns()
        try:
            return function(*args, **kwargs)
        finally:
            self.events.append(Event(name, start_ns, time.monotonic_ns(), *request))

    async def call(self, method: Any, request: Any, timeout_s: float, metadata: Metadata) -> Any:
        # A prepared inference is bytes; shared memory is registered with messages.
        name, ids = (EXCHANGE, self._request) if isinstance(request, bytes) else (REGION, (None, None))
        if isinstance(request, bytes) and _asks_for_room(request):
            name, ids = ADMIT, (None, None)
        start_ns = time.monotonic_ns()
        try:
            return await super().call(method, request, timeout_s, metadata)
        finally:
            if not isinstance(request, kserve.ModelReadyRequest):
                self.events.append(Event(name, start_ns, time.monotonic_ns(), *ids))

    async def send(self, method: Any, request: Any, timeout_s: float, metadata: Metadata, wait_s: float) -> None:
        start_ns = time.monotonic_ns()
        await super().send(method, request, timeout_s, metadata, wait_s)
        self.events.append(Event(REGION, start_ns, time.monotonic_ns()))


def _asks_for_room(request: bytes) -> bool:
    return len(request) < _SHORT and kserve.ModelInferRequest.FromString(request).model_name == ADMISSION.name


class RecordingClient:
    """The product's client by one transport, keeping time. Use it as a context manager."""

    def __init__(self, address: str, transport: str) -> None:
        self._calls = Recording()
        self._core = Core(
            address,
            deadline_s=DEFAULT_DEADLINE_S,
            transport=transport,
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
        """Analyse a study from the path of its files to its report in a folder."""
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
    """Split reading into headers, until the first slice is decoded, and pixels from then on."""
    split: list[Event] = []
    for event in events:
        if event.name == DECODE and first_slice_ns:
            split.append(Event(SCAN, event.start_ns, first_slice_ns[0]))
            event = Event(DECODE, first_slice_ns[0], event.end_ns)
        split.append(event)
    return split
