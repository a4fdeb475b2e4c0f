# SPDX-License-Identifier: Apache-2.0
"""The parts of the gateway, each in threads of its own, until it is told to stop."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from vcf_client.gateway.analysis import Analysis, Analyzer
from vcf_client.gateway.backoff import Backoff
from vcf_client.gateway.config import Config
from vcf_client.gateway.delivery import Delivery, make_sender
from vcf_client.gateway.intake import Intake
from vcf_client.gateway.journal import Journal, State
from vcf_client.gateway.key import load_key
from vcf_client.gateway.log import logger, place
from vcf_client.gateway.metrics import Endpoint
from vcf_client.gateway.poll import Poller
from vcf_client.gateway.receive import Receiver
from vcf_client.gateway.spool import Spool
from vcf_client.gateway.urgency import is_urgent
from vcf_contract.errors import SetupError

_TICK_S = 0.2
_HOUSEKEEPING_S = 30.0
_BATCH = 20
_LONGEST_WAIT_FOR_SERVER_S = 30.0
_TURN_S = 0.5
_STOP_S = 10.0


class Gateway:
    """A running gateway; use it as a context manager.

    Parameters
    ----------
    analyzer
        Usually a ``clients.VcfClient``.

    Raises
    ------
    SetupError
        If the spool is in use or cannot be written, its key is damaged or the port cannot be had.
    """

    def __init__(self, config: Config, analyzer: Analyzer) -> None:
        self._config, self._analyzer = config, analyzer
        with _disk_that_works():
            self._spool = Spool(
                config.spool,
                max_bytes=round(config.spool_gib * 2**30),
                keep_free_bytes=round(config.keep_free_gib * 2**30),
            )
            key = load_key(self._spool.key_path)
            self._journal = Journal(self._spool.journal_path)
        self._backoff = Backoff(config.retry_first_s, config.retry_longest_s)
        self._intake = Intake(
            self._spool,
            self._journal,
            key,
            quiet_s=config.quiet_s,
            quiet_after_abort_s=config.quiet_after_abort_s,
            drop_others=config.other_objects == "drop",
            urgent=lambda folder: is_urgent(folder, config.urgent),
        )
        self._analysis = Analysis(
            self._spool,
            self._journal,
            key,
            analyzer,
            self._backoff,
            age_policy=config.age_policy,
            max_attempts=config.max_attempts,
            report_refusals=config.report_refusals,
            settle_s=config.settle_s,
        )
        self._delivery = Delivery(self._spool, self._journal, make_sender(config), self._backoff)
        self._stop = threading.Event()
        self._claim_lock = threading.Lock()
        self._busy: set[str] = set()
        self._not_ready = 0
        self._server_ready = False
        with _disk_that_works():
            self._intake.restore()
            self._delivery.restore()
        self._receiver = Receiver(config, self._intake)
        self._threads = [threading.Thread(target=self._loop, args=args, daemon=True) for args in self._jobs()]
        self._endpoint: Endpoint | None = None

    def __enter__(self) -> "Gateway":
        for thread in self._threads:
            thread.start()
        if self._config.metrics:
            try:
                self._endpoint = Endpoint(
                    self._config.metrics,
                    self._config.spool,
                    is_ready=lambda: not self._stop.is_set(),
                    is_alive=lambda: all(thread.is_alive() for thread in self._threads),
                    is_server_ready=lambda: self._server_ready,
                )
            except BaseException:
                self.stop()
                raise
        logger.info("listening on port %d", self.port)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def metrics_port(self) -> int | None:
        """Tell the port of ``/metrics``, ``/ready`` and ``/live``, if they were asked for."""
        return self._endpoint.port if self._endpoint else None

    @property
    def port(self) -> int:
        """The port of the C-STORE provider."""
        return self._receiver.port

    def stop(self) -> None:
        """Stop listening, let work in hand come to its end, but not for long: nothing is lost if it does not."""
        self._receiver.close()
        self._stop.set()
        if self._endpoint:
            self._endpoint.close()
        deadline = time.monotonic() + _STOP_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._journal.close()
        self._spool.close()

    def wait(self) -> None:
        """Wait until another thread or a signal handler calls ``request_stop``."""
        while not self._stop.wait(_TURN_S):  # a signal that comes just before a wait does not wake it
            pass

    def request_stop(self) -> None:
        """Make ``wait`` return; safe in a signal handler."""
        self._stop.set()

    def _jobs(self) -> list[tuple[Callable[[], bool], float]]:
        """Tell what runs again and again, with its pause after a turn in which there was nothing to do."""
        jobs: list[tuple[Callable[[], bool], float]] = [
            (lambda: self._intake.make_ready() > 0, _TICK_S),
            (self._deliver, _TICK_S),
            (self._keep_house, _HOUSEKEEPING_S),
            *[(self._analyse, _TICK_S)] * self._config.workers,
        ]
        if self._config.poll:
            poller = Poller(self._config.poll, self._intake, self._backoff, self._config.max_attempts)
            jobs.append((poller.work, _TICK_S))
        else:
            self._intake.give_up_fetches()
        return jobs

    def _loop(self, work: Callable[[], bool], pause_s: float) -> None:
        failures = 0
        while not self._stop.is_set():
            try:
                worked = work()
            except Exception as error:  # a full disk, a PACS that is down: say so and go on
                failures += 1
                logger.error("a turn failed: %s", place(error))
                self._stop.wait(max(pause_s, self._backoff.delay_s(failures)))
                continue
            failures = 0
            if not worked:
                self._stop.wait(pause_s)

    def _analyse(self) -> bool:
        if not self._journal.studies(State.READY):
            return False
        self._server_ready = self._analyzer.is_ready()
        if not self._server_ready:
            logger.warning("the server is not ready")
            self._not_ready += 1
            self._stop.wait(min(self._backoff.delay_s(self._not_ready), _LONGEST_WAIT_FOR_SERVER_S))
            return False
        self._not_ready = 0
        with self._claim_lock:
            claim = self._journal.claim(self._busy)
            if claim is None:
                return False
            self._busy.add(claim.name)
        try:
            self._analysis.work(claim)
        finally:
            with self._claim_lock:
                self._busy.discard(claim.name)
        return True

    def _deliver(self) -> bool:
        due = self._journal.pending()[:_BATCH]
        if due:
            self._delivery.work(due)
        return bool(due)

    def _keep_house(self) -> bool:
        """Remove images of studies finished long enough ago, and forget studies finished very long ago."""
        now = time.time()
        self._intake.drop_finished(now - self._config.keep_s)
        self._journal.forget(now - self._config.remember_days * 86400)
        return False


@contextmanager
def _disk_that_works() -> Iterator[None]:
    """A disk that is full, read-only or broken at the start, in a sentence."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise SetupError(f"the spool folder cannot be used: {why}; give it another disk, or make room") from None
