# SPDX-License-Identifier: Apache-2.0
"""The gateway from outside: ``/metrics`` for Prometheus, ``/ready`` and ``/live`` for what starts and stops it."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from vcf_client.gateway.config import Metrics
from vcf_client.gateway.log import logger, place
from vcf_client.gateway.status import counts
from vcf_contract.errors import SetupError

State = Callable[[], bool]


class _Journal(Collector):
    """Tell what ``vcf gateway status`` counts. Gauges: finished studies are forgotten after a time."""

    def __init__(self, spool: Path, is_server_ready: State) -> None:
        self._spool, self._is_server_ready = spool, is_server_ready

    def describe(self) -> list[Metric]:
        """Nothing in advance: registering would otherwise read the journal."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The counts of this moment."""
        found = counts(self._spool)
        for name, label, about in (
            ("studies", "state", "Studies by state"),
            ("refused", "code", "Refused studies by code"),
            ("failed", "code", "Failed studies by code"),
            ("results", "state", "Results sent to the PACS and waiting to be"),
            ("not_delivered", "reason", "Results that the PACS did not take the last time, by reason"),
        ):
            family = GaugeMetricFamily(f"vcf_gateway_{name}", about, labels=[label])
            for value, number in found[name].items():
                family.add_metric([value], number)
            yield family
        yield GaugeMetricFamily("vcf_gateway_spool_bytes", "Images and results on disk", found["spool_bytes"])
        ready = float(self._is_server_ready())
        yield GaugeMetricFamily("vcf_gateway_server_ready", "Whether the server answered the last time", ready)


class Endpoint:
    """Answers until it is closed.

    Parameters
    ----------
    is_ready
        Whether the gateway takes studies.
    is_alive
        Whether all its parts run.
    is_server_ready
        Whether the server answered when it was asked the last time.

    Raises
    ------
    SetupError
        If the port cannot be had.
    """

    def __init__(
        self, settings: Metrics, spool: Path, *, is_ready: State, is_alive: State, is_server_ready: State
    ) -> None:
        registry = CollectorRegistry()
        registry.register(_Journal(spool, is_server_ready))
        states = {"/ready": is_ready, "/live": is_alive}

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/metrics":
                    try:
                        self._answer(200, generate_latest(registry), CONTENT_TYPE_LATEST)
                    except Exception as error:  # the journal is being made, or the disk fails: say so and go on
                        logger.warning("no metrics: %s", place(error))
                        self._answer(503, b"")
                elif self.path in states:
                    self._answer(200 if states[self.path]() else 503, b"")
                else:
                    self._answer(404, b"")

            def _answer(self, status: int, body: bytes, kind: str = "text/plain") -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """A probe every few seconds is no news."""

        try:
            self._server = ThreadingHTTPServer((settings.host, settings.port), Handler)
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise SetupError(f"cannot listen on {settings.host}:{settings.port} for metrics: {why}") from None
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Tell the port that it listens on."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
