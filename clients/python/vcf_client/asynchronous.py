# SPDX-License-Identifier: Apache-2.0
"""The Python client for programs with an event loop."""

from collections.abc import AsyncGenerator, Iterable
from types import TracebackType

from vcf_client.calls import Asynchronous
from vcf_client.constructed import Constructed
from vcf_client.core import AnyStudy, Progress
from vcf_client.findings import Findings
from vcf_client.many import Done, Outcome, in_tasks


class AsyncVcfClient(Constructed):
    """`VcfClient` with the same parameters and methods, to be awaited. Reading and preparing studies goes to threads.

    Make it in a coroutine: it belongs to the event loop that runs then.
    """

    _make_calls = Asynchronous

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
        """Tell whether a server answers and can take a study now."""
        return await self._core.is_ready()

    async def model_hash(self) -> str:
        """SHA-256 over the weights that answer: as ``VcfClient.model_hash``."""
        return await self._core.model_hash()

    async def analyze(
        self,
        study: AnyStudy,
        *,
        age_policy: str = "warn",
        progress: Progress | None = None,
        priority: str | None = None,
    ) -> Findings:
        """Find fractures in a study: as ``VcfClient.analyze``, but ``progress`` is called in another thread.

        If the task is cancelled, the server is told, and begins no further step.
        """
        return await self._core.analyze(study, age_policy, progress, priority)

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
