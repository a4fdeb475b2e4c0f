# SPDX-License-Identifier: Apache-2.0
"""MLPerf's LoadGen and the system that it tests: an event loop in a thread of its own that answers its queries."""

import asyncio
import ctypes
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import mlperf_loadgen

from vcf_benchmarks.loadgen.summary import Summary
from vcf_contract.errors import VcfError


@dataclass(frozen=True)
class Answered:
    """Tell what LoadGen is to log of an answer, and what is wrong with it, if anything."""

    logged: bytes
    failure: str | None = None


Answer = Callable[[int], Awaitable[Answered]]
"""Answer to the sample of this number. Errors of `vcf_contract.errors` are failures; any other ends the test."""


@dataclass(frozen=True)
class Trial:
    """One test. ``latencies_ms`` and ``failures`` in order of completion; latencies from LoadGen's issue."""

    settings: dict[str, Any]
    summary: Summary | None
    latencies_ms: list[float]
    failures: list[str | None]


class System:
    """Answers queries until it is closed.

    Parameters
    ----------
    samples
        How many there are to ask for.
    connect
        Called in the event loop's thread: the function that answers, and one that ends it.
    """

    def __init__(
        self, samples: int, connect: Callable[[], Awaitable[tuple[Answer, Callable[[], Awaitable[None]]]]]
    ) -> None:
        self._samples = samples
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="loadgen-system", daemon=True)
        self._thread.start()
        self._answer, self._disconnect = self._wait(connect())
        self._room = asyncio.Semaphore(1)
        self._open: list[Future[None]] = []
        self._done: list[tuple[float, str | None]] = []
        self._error: BaseException | None = None

    def __enter__(self) -> "System":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._wait(self._disconnect())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def test(
        self, scenario: str, folder: Path, *, most_in_flight: int, accuracy: bool = False, **settings: int | float
    ) -> Trial:
        """Run one LoadGen test and leave its logs in a folder.

        Parameters
        ----------
        most_in_flight
            Queries that are worked on at a time; LoadGen's clock runs for the others too.
        settings
            Fields of LoadGen's ``TestSettings``.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._room = asyncio.Semaphore(most_in_flight)
        self._open, self._done, self._error = [], [], None
        asked = mlperf_loadgen.TestSettings()
        asked.scenario = getattr(mlperf_loadgen.TestScenario, scenario)
        asked.mode = getattr(mlperf_loadgen.TestMode, "AccuracyOnly" if accuracy else "PerformanceOnly")
        for name, value in settings.items():
            setattr(asked, name, value)
        log = mlperf_loadgen.LogSettings()
        log.enable_trace = False
        log.log_output = mlperf_loadgen.LogOutputSettings()
        log.log_output.outdir = str(folder)
        log.log_output.copy_summary_to_stdout = False
        system = mlperf_loadgen.ConstructSUT(self._issue, lambda: None)
        # Studies are in memory already.
        library = mlperf_loadgen.ConstructQSL(self._samples, self._samples, lambda wanted: None, lambda done: None)
        try:
            mlperf_loadgen.StartTestWithLogSettings(system, library, asked, log, str(folder / "audit.config"))
        finally:
            mlperf_loadgen.DestroyQSL(library)
            mlperf_loadgen.DestroySUT(system)
        for one in self._open:
            one.result()
        if self._error:
            raise self._error
        return Trial(
            {**settings, "most_in_flight": most_in_flight},
            None if accuracy else Summary.read(folder),
            [ms for ms, _ in self._done],
            [failure for _, failure in self._done],
        )

    def _issue(self, queries: Sequence[Any]) -> None:
        """Take queries from LoadGen's threads, which must not wait."""
        now = time.perf_counter()
        self._open += [
            asyncio.run_coroutine_threadsafe(self._work(query.id, query.index, now), self._loop) for query in queries
        ]

    async def _work(self, query: int, sample: int, issued: float) -> None:
        answered = Answered(b"")
        try:
            async with self._room:
                answered = await self._answer(sample)
        except VcfError as error:
            answered = Answered(b"", error.code)
        except BaseException as error:
            self._error = error
        finally:
            # An answer always, or LoadGen would wait for it for ever.
            self._done.append(((time.perf_counter() - issued) * 1e3, answered.failure))
            data = ctypes.create_string_buffer(answered.logged, len(answered.logged) or 1)
            response = mlperf_loadgen.QuerySampleResponse(query, ctypes.addressof(data), len(answered.logged))
            mlperf_loadgen.QuerySamplesComplete([response])

    def _wait(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()
