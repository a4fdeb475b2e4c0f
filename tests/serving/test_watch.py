# SPDX-License-Identifier: Apache-2.0
"""Which models are loaded anew, and when, beside processes that are numbers in a table."""

from collections.abc import Callable

import pytest

from vcf_contract.errors import SetupError
from vcf_server import processes, tables
from vcf_server.watch import ModelWatch


class Server:
    """Processes by number; to reload a model gives it new ones."""

    shm_prefix = "none"

    def __init__(self) -> None:
        self.running = {11: "first", 12: "second", 13: "second"}
        self.unloaded: set[str] = set()
        self.reloaded: list[str] = []
        self.meanwhile: Callable[[], object] = lambda: None

    def is_loaded(self, model: str) -> bool:
        return model not in self.unloaded

    def reload(self, model: str) -> None:
        self.reloaded.append(model)
        for pid in [pid for pid, its in self.running.items() if its == model]:
            del self.running[pid]
        self.start(model)
        self.meanwhile()

    def start(self, model: str) -> None:
        first = 100 * (1 + max(self.running, default=0) // 100)
        self.running.update({first + number: model for number in range(1 if model == "first" else 2)})


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    found = Server()
    monkeypatch.setattr(processes, "stubs", lambda prefix: dict(found.running))
    monkeypatch.setattr(processes, "runs", lambda pid: pid in found.running or pid == 1)
    monkeypatch.setattr(processes, "parent", lambda pid: 1)
    return found


def test_a_second_stub_that_dies_while_the_first_is_loaded_anew_is_not_forgotten(server: Server) -> None:
    watch = ModelWatch(server, lambda sentence: None)
    server.meanwhile = lambda: server.running.pop(13, None)
    del server.running[11]
    for _ in range(4):
        watch.look()
    assert server.reloaded == ["first", "second"]
    assert sorted(server.running.values()) == ["first", "second", "second"]


def test_a_stub_that_dies_before_a_server_that_is_started_anew_is_watched_is_not_forgotten(server: Server) -> None:
    before = ModelWatch(server, lambda sentence: None)
    del server.running[11]
    ModelWatch(server, lambda sentence: None, before).look()
    assert server.reloaded == ["first"]
    assert sorted(server.running.values()) == ["first", "second", "second"]


def test_a_server_that_is_started_anew_with_fewer_processes_of_a_model_lacks_none(server: Server) -> None:
    before = ModelWatch(server, lambda sentence: None)
    del server.running[13]
    ModelWatch(server, lambda sentence: None, before).look()
    assert server.reloaded == []


def test_what_somebody_unloaded_stays_so_until_it_is_loaded_and_dies(server: Server) -> None:
    watch = ModelWatch(server, lambda sentence: None)
    del server.running[11]
    server.unloaded.add("first")
    watch.look()
    assert server.reloaded == []
    server.start("first")
    server.unloaded.clear()
    watch.look()
    assert server.reloaded == []
    (pid,) = (pid for pid, model in server.running.items() if model == "first")
    del server.running[pid]
    watch.look()
    assert server.reloaded == ["first"]


def test_a_server_that_has_ended_is_left_to_who_waits_for_it(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = ModelWatch(server, lambda sentence: None)
    server.running.clear()
    monkeypatch.setattr(processes, "runs", lambda pid: False)
    watch.look()
    assert server.reloaded == []


def test_all_processes_at_once(server: Server) -> None:
    watch = ModelWatch(server, lambda sentence: None)
    server.running.clear()
    watch.look()
    assert server.reloaded == ["first", "second"]


def test_a_process_that_owed_answers_ends_the_server(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else ends the waiting of those whose answers it had put off."""
    watch = ModelWatch(server, lambda sentence: None)
    monkeypatch.setattr(tables, "the_dead_owe_answers", lambda prefix: prefix == server.shm_prefix)
    watch.look()
    del server.running[11]
    with pytest.raises(SetupError, match="a process of the model first has ended that owed answers"):
        watch.look()
    assert server.reloaded == []


def test_what_does_not_come_back_is_named(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    watch = ModelWatch(server, said.append)
    del server.running[12]

    def fails(model: str) -> None:
        raise SetupError("no room")

    monkeypatch.setattr(server, "reload", fails)
    with pytest.raises(SetupError, match="the model second cannot be loaded anew: no room"):
        watch.look()
    assert said == ["a process of the model second has ended; the model is loaded anew"]
