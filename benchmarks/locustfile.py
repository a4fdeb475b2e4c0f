# SPDX-License-Identifier: Apache-2.0
"""A hospital as locust users: ``locust -f benchmarks/locustfile.py --host 127.0.0.1:8001``, then http://localhost:8089.

A user is a scanner with a gRPC channel of its own. It sends studies at exponential gaps whether or not earlier ones
are answered; the number of scanners follows the profile. Together they are a Poisson process of changing rate, and
the load is open: latency counts from the scheduled time.

Under gevent three things differ from other clients. gRPC is told so before there is a channel (``init_gevent``). The
client's NumPy work runs in native threads, or it would hold up every other user. And memory is shared by all users,
so the studies are made once.
"""

import json
import random
import sys
import time
from pathlib import Path
from typing import Any, ClassVar

import gevent
import grpc.experimental.gevent
from locust import LoadTestShape, User, events, task
from locust.exception import StopUser

# locust puts this file's folder first, where benchmarks/preprocess.py would stand for the package of that name.
HERE = Path(__file__).resolve().parent
sys.path[:] = [str(HERE.parent) if Path(entry).resolve() == HERE else entry for entry in sys.path]
grpc.experimental.gevent.init_gevent()

from benchmarks.profiles import PROFILES, Profile, Size  # noqa: E402
from benchmarks.reference import Reference  # noqa: E402
from benchmarks.volumes import stretched_ct  # noqa: E402
from clients import Findings  # noqa: E402
from clients.calls import Blocking, finish  # noqa: E402
from clients.core import DEFAULT_ADDRESS, Core  # noqa: E402
from clients.retry import Retry  # noqa: E402
from clients.security import PLAIN  # noqa: E402
from clients.study import Study  # noqa: E402
from vcf.errors import VcfError  # noqa: E402

MEAN_GAP_S = 8.0
"""Between two studies of one scanner, at compressed time: rates change in steps of its inverse."""
SPAWN_PER_S = 100.0
DEADLINE_S = 120.0


class Greenlets(Blocking):
    """Calls that hold up their greenlet alone; NumPy works in native threads."""

    async def work(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        return gevent.get_hub().threadpool.apply(function, args, kwargs)


class Client:
    """The client of the package over gevent."""

    def __init__(self, address: str, wire: str) -> None:
        self._core = Core(
            address,
            deadline_s=DEADLINE_S,
            wire=wire,
            security=PLAIN,
            retry=Retry(),
            keepalive_s=None,
            calls=Greenlets(),
        )

    def analyze(self, study: Study) -> Findings:
        """Findings of a study in memory."""
        return finish(self._core.analyze(study, "warn", None))

    def close(self) -> None:
        """Close the channel."""
        finish(self._core.close())


class Hospital:
    """What all users share: the profile, the studies and their right answers, and the calls so far."""

    profile: Profile
    minutes: float
    capacity_per_s: float
    wire: str
    address: str
    random = random.Random()
    right: dict[Size, tuple[Study, Reference]]
    calls: list[dict[str, Any]]
    leaving: ClassVar[list[gevent.Greenlet]] = []
    began = float("inf")

    @classmethod
    def open(cls, options: Any, address: str) -> None:
        """Make the studies, and ask a server that has nothing else to do for their answers, by another wire."""
        cls.profile = PROFILES[options.hospital]
        cls.minutes, cls.capacity_per_s, cls.wire = options.minutes, options.capacity, options.wire
        cls.address = address
        cls.random.seed(options.seed)
        cls.calls, cls.right, cls.began = [], {}, float("inf")
        client = Client(address, "crop" if cls.wire == "volume" else "volume")
        for size in cls.profile.mix:
            study = stretched_ct(size.slices, size.height_mm)
            cls.right[size] = study, Reference(client.analyze(study))
        client.close()
        cls.began = time.perf_counter()

    @classmethod
    def hour(cls, seconds: float) -> float:
        """Of the profile, after so many seconds of the test."""
        return seconds / (cls.minutes * 60) * cls.profile.hours

    @classmethod
    def scanners(cls, seconds: float) -> int:
        """How many make the profile's rate at that time."""
        return round(cls.profile.share(cls.hour(seconds)) * cls.capacity_per_s * MEAN_GAP_S)

    @classmethod
    def pick(cls) -> Size:
        """A study's size by chance."""
        sizes, shares = zip(*cls.profile.mix.items(), strict=True)
        chosen: Size = cls.random.choices(sizes, shares)[0]
        return chosen


class HospitalShape(LoadTestShape):  # type: ignore[misc]
    """Scanners come and go as the profile says, and the test ends with it."""

    def reset_time(self) -> None:
        """Called at the beginning of each test, before the first tick."""
        super().reset_time()
        environment = self.runner.environment
        Hospital.open(environment.parsed_options, environment.host or DEFAULT_ADDRESS)

    def tick(self) -> tuple[int, float] | None:
        """Users wanted now; none while the hospital opens, which locust does not wait for."""
        seconds = time.perf_counter() - Hospital.began
        return None if seconds >= Hospital.minutes * 60 else (Hospital.scanners(seconds), SPAWN_PER_S)


class Scanner(User):  # type: ignore[misc]
    """Sends studies at exponential gaps; that has no memory, so a scanner may come and go at any time."""

    def on_start(self) -> None:
        """A channel of its own."""
        self._client = Client(Hospital.address, Hospital.wire)
        self._open: set[gevent.Greenlet] = set()
        self._due = time.perf_counter()
        gevent.sleep(self.wait_time())

    def wait_time(self) -> float:
        """Until the next study is due. Paced by the schedule: a late study does not delay those after it."""
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
    parser.add_argument("--wire", choices=["auto", "crop", "volume", "shm"], default="auto", help="way to the server")
    parser.add_argument("--seed", type=int, default=1, help="of arrivals and studies")
    parser.add_argument("--calls", default="", include_in_web_ui=False, help="write every call to this JSON file")


@events.quitting.add_listener  # type: ignore[untyped-decorator]
def _end(environment: Any, **_: Any) -> None:
    gevent.joinall(list(Hospital.leaving), timeout=DEADLINE_S)
    path = environment.parsed_options.calls
    if path and hasattr(Hospital, "calls"):
        Path(path).write_text(json.dumps(Hospital.calls), "utf-8")
