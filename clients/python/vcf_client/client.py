# SPDX-License-Identifier: Apache-2.0
"""The Python client: one study in, its findings out."""

from collections.abc import Generator, Iterable
from types import TracebackType

from vcf_client.calls import Blocking, finish
from vcf_client.constructed import Constructed
from vcf_client.core import DEFAULT_ADDRESS, DEFAULT_DEADLINE_S, AnyStudy, Progress
from vcf_client.findings import Findings
from vcf_client.many import Done, Outcome, in_threads

__all__ = ["DEFAULT_ADDRESS", "DEFAULT_DEADLINE_S", "VcfClient"]


class VcfClient(Constructed):
    """Sends studies to Triton servers and gets their findings.

    Use it as a context manager, or ``close()`` it. One client may be shared by threads.

    Parameters
    ----------
    address
        ``host:port`` of the server's gRPC endpoint. A list of these is used in turn, and so are all the addresses of
        a name given as ``dns:///name:port``; all messages of a study go to one. A server that is gone hands its study
        on and is left out until it is ready again.
    deadline_s
        Longest wait for the answer to one study, retries included. No server starts another step after it.
    transport
        How a study gets to the server, one of ``vcf_client.routes.TRANSPORTS``; the findings are the same. ``auto``
        sends the crop about the spine, which is the fastest even on one machine. To a server that does not take it goes
        the whole volume, in shared memory if the two share a machine.
    security
        TLS, certificates, API key.
    retry
        How often a request is sent again, and when.
    keepalive_s
        As in ``vcf_client.endpoint.Connection``.
    priority
        ``routine`` or ``urgent``: an urgent study goes before all routine ones that wait on a server, and finds room
        where they do not.

    Raises
    ------
    vcf_contract.errors.SetupError
        In a process that was forked from one in which a client had been made. So do the methods of a client that came
        along in the fork.
    """

    _make_calls = Blocking

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
        """Tell whether a server answers and can take a study now."""
        return finish(self._core.is_ready())

    def model_hash(self) -> str:
        """SHA-256 over the weights that answer, as findings have it in ``model.hash``; no study is needed.

        Raises
        ------
        vcf_contract.errors.VcfError
            As `analyze` raises it of servers.
        """
        return finish(self._core.model_hash())

    def analyze(
        self,
        study: AnyStudy,
        *,
        age_policy: str = "warn",
        progress: Progress | None = None,
        priority: str | None = None,
    ) -> Findings:
        """Find fractures in a study.

        Parameters
        ----------
        study
            A study that has been read, or the path of one. The transport ``dicom`` takes a path alone.
        age_policy, progress
            For reading a path, as ``vcf_client.reader.read_study`` takes them.
        priority
            Of this study; None takes that of the client.

        Raises
        ------
        vcf_contract.errors.StudyRefused
            If the reader or the server refuses the study; ``code`` says why.
        vcf_contract.errors.Overloaded
            If all servers stayed full; ``after_s`` says when to ask again.
        vcf_contract.errors.NotTrusted, vcf_contract.errors.AccessDenied
            If certificates or the API key are not accepted.
        vcf_contract.errors.ServerUnavailable
            If no server takes studies at the address, or not by this transport, or the connection broke. The three
            above are of this class.
        vcf_contract.errors.DeadlineExceeded
            If the answer did not come in time.
        vcf_contract.errors.ServerFailed
            If the server failed or its answer makes no sense.
        """
        return finish(self._core.analyze(study, age_policy, progress, priority))

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
