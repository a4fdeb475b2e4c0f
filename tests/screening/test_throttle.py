# SPDX-License-Identifier: Apache-2.0
"""Requests a second hold for all workers together, measured where the requests arrive."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest
import ray

from vcf_screening import throttle


@pytest.fixture
def arrivals() -> Iterator[tuple[int, list[float]]]:
    """A port, and when something came there."""
    times_s: list[float] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def take() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                times_s.append(time.monotonic())
                connection.close()

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        yield server.getsockname()[1], times_s
        server.shutdown(socket.SHUT_RDWR)
    thread.join(5)


@pytest.mark.slow
@pytest.mark.usefixtures("ray_here")
def test_workers_share_one_limit(arrivals: tuple[int, list[float]]) -> None:
    """Whatever the machine is busy with: requests may come late and then close to the next, never more in all."""
    port, times_s = arrivals
    per_s, workers, each = 20.0, 4, 12

    def ask(turns: object) -> None:
        import socket as sockets

        from vcf_screening.throttle import leave_of

        leave = leave_of(turns)
        for _ in range(each):
            leave()
            sockets.create_connection(("127.0.0.1", port)).close()

    turns = throttle.start(per_s)
    task = ray.remote(num_cpus=0.5)(ask)
    ray.get([task.remote(turns) for _ in range(workers)])
    assert len(times_s) == workers * each
    assert times_s[-1] - times_s[0] >= (workers * each - 2) / per_s


def test_places_are_evenly_spaced_and_none_is_saved_up(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 100.0
    monkeypatch.setattr(throttle.time, "monotonic", lambda: now_s)
    turns = throttle.Turns(4.0)
    assert [turns.take() for _ in range(4)] == [0.0, 0.25, 0.5, 0.75]
    now_s = 200.0
    assert [turns.take() for _ in range(3)] == [0.0, 0.25, 0.5]


def test_no_limit_asks_nobody() -> None:
    assert throttle.leave_of(None)() == 0.0 and throttle.own_leave(None)() == 0.0
