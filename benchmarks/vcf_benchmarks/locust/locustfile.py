# SPDX-License-Identifier: Apache-2.0
"""A hospital as locust users, for ``locust -f benchmarks/vcf_benchmarks/locust/locustfile.py --host 127.0.0.1:8001``.

The web page is then on http://localhost:8089.

A user is a scanner with a gRPC channel of its own. It sends studies at exponential gaps whether or not earlier ones
are answered; the number of scanners follows the profile. Together they are a Poisson process of changing rate, and
the load is open: latency counts from the scheduled time.

Under gevent four things differ from other clients. gRPC must know before there is a channel (``init_gevent``). The
client's NumPy work runs in native threads, or it would hold up every other user. The lock that these threads share is
native, for a greenlets' lock may wake the wrong thread. And memory is shared by all users: the studies are made once.
"""

import json
import random
import sys
import time
from pathlib import Path
from typing import Any, ClassVar

import gevent
import grpc.experimental.gevent
from gevent.monkey import get_original
from locust import LoadTestShape, User, events, task
from locust.exception import StopUser

# locust puts this file's folder first, where its neighbours would stand for other packages' modules of their names.
HERE = Path(__file__).resolve().parent
sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != HERE]
grpc.experimental.gevent.init_gevent()

from vcf_benchmarks.harness.answers import Reference  # noqa: E402
from vcf_benchmarks.harness.profiles import PROFILES, Profile, Size  # noqa: E402
from vcf_benchmarks.harness.studies import stretched_ct  # noqa: E402
from vcf_client import Findings, one_thread  # noqa: E402
from vcf_client.calls import Blocking, finish  # noqa: E402
from vcf_client.core import DEFAULT_ADDRESS, Core  # noqa: E402
from vcf_client.retry import Retry  # noqa: E402
from vcf_client.security import PLAIN  # noqa: E402
from vcf_client.study import Study  # noqa: E402
from vcf_contract.errors import VcfError  # noqa: E402

one_thread._one_at_a_time = get_original("_thread", "allocate_lock")()

MEAN_GAP_S = 8.0
"""The gap between two studies of one scanner, at compressed time: rates change in steps of its inverse."""
SPAWN_PER_S = 100.0
DEADLINE_S = 120.0


class Greenlets(Blocking):
    """Calls that hold up their greenlet alone; NumPy works in native threads."""

    async def work(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        return gevent.get_hub().threadpool.apply(function, args, kwargs)


class Client:
    """The client of the package over gevent."""

    def __init__(self, address: str, transport: str) -> None:
        self._core = Core(
            address,
            deadline_s=DEADLINE_S,
            transport=transport,
            security=PLAIN,
            retry=Retry(),
            keepalive_s=None,
            calls=Greenlets(),
        )

    def analyze(self, study: Study) -> Findings:
        """Return the findings of a study in memory."""
        return finish(self._core.analyze(study, "warn", None))

    def close(self) -> None:
        """Close the channel."""
        finish(self._core.close())


class Hospital:
    """Tell what all users share: the profile, the studies and their right answers, and the calls so far."""

    profile: Profile
    minutes: float
    capacity_per_s: float
    transport: str
    address: str
    random = random.Random()
    right: dict[Size, tuple[Study, Reference]]
    calls: list[dict[str, Any]]
    leaving: ClassVar[list[gevent.Greenlet]] = []
    began = float("inf")

    @classmethod
    def open(cls, options: Any, address: str) -> None:
        """Make the studies, and ask a server that has nothing else to do for their answers, by another transport."""
        cls.profile = PROFILES[options.hospital]
        cls.minutes, cls.capacity_per_s, cls.transport = options.minutes, options.capacity, options.transport
        cls.address = address
        cls.random.seed(options.seed)
        cls.calls, cls.right, cls.began = [], {}, float("inf")
        client = Client(address, "crop" if cls.transport == "volume" else "volume")
        for size in cls.profile.mix:
            study = stretched_ct(size.slices, size.height_mm)
            cls.right[size] = study, Reference(client.analyze(study))
        client.close()
        cls.began = time.perf_counter()

    @classmethod
    def hour(cls, seconds: float) -> float:
        """Return the profile's hour after so many seconds of the test."""
        return seconds / (cls.minutes * 60) * cls.profile.hours

    @classmethod
    def scanners(cls, seconds: float) -> int:
        """Return how many scanners make the profile's rate at that time."""
        return round(cls.profile.share(cls.hour(seconds)) * cls.capacity_per_s * MEAN_GAP_S)

    @classmethod
    def pick(cls) -> Size:
        """Draw a study's size by chance."""
        sizes, shares = zip(*cls.profile.mix.items(), strict=True)
        chosen: Size = cls.random.choices(sizes, shares)[0]
        return chosen


class HospitalShape(LoadTestShape):  # type: ignore[misc]
    """Scanners come and go as the profile says, and the test ends with it."""

    def reset_time(self) -> None:
        """Begin a test, before its first tick."""
        super().reset_time()
        environment = self.runner.environment
        Hospital.open(environment.parsed_options, environment.host or DEFAULT_ADDRESS)

    def tick(self) -> tuple[int, float] | None:
        """Return the users wanted now; none while the hospital opens, which locust does not wait for."""
        seconds = time.perf_counter() - Hospital.began
        return None if seconds >= Hospital.minutes * 60 else (Hospital.scanners(seconds), SPAWN_PER_S)


class Scanner(User):  # type: ignore[misc]
    """Sends studies at exponential gaps; that has no memory, so a scanner may come and go at any time."""

    def on_start(self) -> None:
        """Open a channel of its own."""
        self._client = Client(Hospital.address, Hospital.transport)
        self._open: set[gevent.Greenlet] = set()
        self._due = time.perf_counter()
        gevent.sleep(self.wait_time())

    def wait_time(self) -> float:
        """Return the time until the next study is due by the schedule: a late study does not delay those after it."""
        self._due += Hospital.random.expovariate(1 / MEAN_GAP_S)
        return max(0.0, self._due - time.perf_counter())

    @task  # type: ignore[untyped-decorator]
    def send(self) -> None:
        """Send a study, and do not wait for its findings."""
        if self._due - Hospital.began >= Hospital.minutes * 60:
            raise StopUser
        one = gevent.spawn(self._analyze, Hospital.pick(), self._due)
        self._open.add(one)
        one.link(self._open.discard)

    def on_stop(self) -> None:
        """Leave; the channel stays for what is still open."""
        Hospital.leaving.append(gevent.spawn(self._leave, list(self._open)))

    def _leave(self, calls: list[gevent.Greenlet]) -> None:
        gevent.joinall(calls)
        self._client.close()

    def _analyze(self, size: Size, due: float) -> None:
        study, right = Hospital.right[size]
        sent = time.perf_counter()
        failure, sent_bytes = None, 0
        error: Exception | None = None
        try:
            findings = self._client.analyze(study)
            sent_bytes = findings.bytes_sent
            if mistake := right.mistake(findings):
                failure, error = "WRONG", ValueError(mistake)
        except VcfError as refused:
            failure, error = refused.code, refused
        done = time.perf_counter()
        times = {"due_s": due, "sent_s": sent, "done_s": done}
        Hospital.calls.append(
            {"size": size.name, "failure": failure, **{name: at - Hospital.began for name, at in times.items()}}
        )
        self.environment.events.request.fire(
            request_type="gRPC",
            name=size.name,
            response_time=(done - due) * 1e3,
            response_length=sent_bytes,
            exception=error,
            context={},
        )


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
def _options(parser: Any, **_: Any) -> None:
    parser.add_argument("--hospital", choices=list(PROFILES), default="day", help="profile of the load")
    parser.add_argument("--minutes", type=float, default=5.0, help="the profile's hours are compressed to these")
    parser.add_argument(
        "--capacity", type=float, default=1.0, help="studies a second that the server sustains (vcf bench latency)"
    )
    parser.add_argument(
        "--transport", choices=["auto", "crop", "volume", "shm"], default="auto", help="transport of a study"
    )
    parser.add_argument("--seed", type=int, default=1, help="of arrivals and studies")
    parser.add_argument("--calls", default="", include_in_web_ui=False, help="write every call to this JSON file")


@events.quitting.add_listener  # type: ignore[untyped-decorator]
def _end(environment: Any, **_: Any) -> None:
    gevent.joinall(list(Hospital.leaving), timeout=DEADLINE_S)
    path = environment.parsed_options.calls
    if path and hasattr(Hospital, "calls"):
        Path(path).write_text(json.dumps(Hospital.calls), "utf-8")
