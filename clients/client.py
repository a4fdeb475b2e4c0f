# SPDX-License-Identifier: Apache-2.0
"""The Python client: one study in, its findings out."""

from collections.abc import Generator, Iterable, Sequence
from types import TracebackType

from clients.calls import Blocking, finish
from clients.core import AUTO, DEFAULT_ADDRESS, DEFAULT_DEADLINE_S, AnyStudy, Core, Progress
from clients.findings import Findings
from clients.many import Done, Outcome, in_threads
from clients.retry import Retry
from clients.security import PLAIN, Security

__all__ = ["DEFAULT_ADDRESS", "DEFAULT_DEADLINE_S", "VcfClient"]


class VcfClient:
    """Sends studies to Triton servers and gets their findings.

    Use it as a context manager, or ``close()`` it. One client may be shared by threads.

    Parameters
    ----------
    address
        ``host:port`` of the server's gRPC endpoint. A list of these is used in turn, and so are all the addresses of
        a name given as ``dns:///name:port``. A server that is gone is left out until it is ready again.
    deadline_s
        Longest wait for the answer to one study, retries included. No server starts another step after it.
    wire
        How a study gets to the server, one of ``clients.routes.WIRES``; the findings are the same. ``auto`` sends
        the crop about the spine, which is the fastest even on one machine. To a server that does not take it goes
        the whole volume, in shared memory if the two share a machine.
    security
        TLS, certificates, API key.
    retry
        How often a request is sent again that no server has begun to work on.
    keepalive_s
        As in ``clients.endpoint.Connection``.
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
            calls=Blocking(),
        )

    def __enter__(self) -> "VcfClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; calls in flight end with an error."""
        finish(self._core.close())

    def is_ready(self) -> bool:
        """Whether a server answers and can take a study now."""
        return finish(self._core.is_ready())

    def analyze(self, study: AnyStudy, *, age_policy: str = "warn", progress: Progress | None = None) -> Findings:
        """Find fractures in a study.

        Parameters
        ----------
        study
            A study that has been read, or the path of one. The wire ``dicom`` takes a path alone.
        age_policy, progress
            For reading a path, as ``clients.reader.read_study`` takes them.

        Raises
        ------
        vcf.errors.StudyRefused
            If the reader or the server refuses the study; ``code`` says why.
        vcf.errors.Overloaded
            If all servers' queues stayed full.
        vcf.errors.NotTrusted, vcf.errors.AccessDenied
            If certificates or the API key are not accepted.
        vcf.errors.ServerUnavailable
            If no server takes studies at the address, or not by this wire, or the connection broke. The three above
            are of this class.
        vcf.errors.DeadlineExceeded
            If the answer did not come in time.
        vcf.errors.ServerFailed
            If the server failed or its answer makes no sense.
        """
        return finish(self._core.analyze(study, age_policy, progress))

    def analyze_many(
        self,
        studies: Iterable[AnyStudy],
        *,
        concurrency: int = 2,
        age_policy: str = "warn",
        progress: Done | None = None,
    ) -> Generator[Outcome, None, None]:
        """Find fractures in studies, some at a time; one that fails does not stop the others.

        Parameters
        ----------
        studies
            Taken one by one as there is room, so a generator may stand for any number. Each that is a path is read
            in memory when its turn comes.
        concurrency
            How many studies are read, sent or waiting to be taken from the iterator at a time.
        age_policy
            As `analyze` takes it.
        progress
            Called in this thread with the number of studies done, each time another one is.

        Yields
        ------
        Outcome
            One a study, in the order of ``studies``: findings, or the error that `analyze` would have raised.
        """
        return in_threads(lambda study: self.analyze(study, age_policy=age_policy), studies, concurrency, progress)
