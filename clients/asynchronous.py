# SPDX-License-Identifier: Apache-2.0
"""The Python client for programs with an event loop."""

from collections.abc import AsyncGenerator, Iterable, Sequence
from types import TracebackType

from clients.calls import Asynchronous
from clients.core import AUTO, DEFAULT_ADDRESS, DEFAULT_DEADLINE_S, AnyStudy, Core, Progress
from clients.findings import Findings
from clients.many import Done, Outcome, in_tasks
from clients.retry import Retry
from clients.security import PLAIN, Security


class AsyncVcfClient:
    """`VcfClient` with the same parameters and methods, to be awaited. Reading and preparing studies goes to threads.

    Make it in a coroutine: it belongs to the event loop that runs then.
    """

    def __init__(
        self,
        address: str | Sequence[str] = DEFAULT_ADDRESS,
        *,
        deadline_s: float = DEFAULT_DEADLINE_S,
        wire: str = AUTO,
        security: Security = PLAIN,
        retry: Retry = Retry(),  # noqa: B008 - frozen
        keepalive_s: float | None = None,
    ) -> None:
        self._core = Core(
            address,
            deadline_s=deadline_s,
            wire=wire,
            security=security,
            retry=retry,
            keepalive_s=keepalive_s,
            calls=Asynchronous(),
        )

    async def __aenter__(self) -> "AsyncVcfClient":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections; calls in flight end with an error."""
        await self._core.close()

    async def is_ready(self) -> bool:
        """Whether a server answers and can take a study now."""
        return await self._core.is_ready()

    async def analyze(self, study: AnyStudy, *, age_policy: str = "warn", progress: Progress | None = None) -> Findings:
        """Find fractures in a study: as ``VcfClient.analyze``, but ``progress`` is called in another thread."""
        return await self._core.analyze(study, age_policy, progress)

    def analyze_many(
        self,
        studies: Iterable[AnyStudy],
        *,
        concurrency: int = 2,
        age_policy: str = "warn",
        progress: Done | None = None,
    ) -> AsyncGenerator[Outcome, None]:
        """Find fractures in studies, some at a time: as ``VcfClient.analyze_many``."""
        return in_tasks(lambda study: self.analyze(study, age_policy=age_policy), studies, concurrency, progress)
