# SPDX-License-Identifier: Apache-2.0
from contextlib import nullcontext

import pytest

from tests.benchmarks.harness.made_up import findings
from tests.benchmarks.harness.virtual_time import run
from vcf_benchmarks.harness import served as module
from vcf_benchmarks.harness.answers import references
from vcf_benchmarks.harness.calls import WRONG
from vcf_benchmarks.harness.served import Served, asking, broken, right_answers, served
from vcf_benchmarks.harness.validity import Watch

STUDIES = ("first", "second", "third")
ANSWERS = {name: findings(number) for number, name in enumerate(STUDIES)}
RIGHT = references([ANSWERS[name] for name in STUDIES])


class Client:
    """Answers as it is told, and notes what it was asked."""

    def __init__(self, answers=ANSWERS) -> None:
        self.asked: list[str] = []
        self.answers = answers

    async def analyze(self, study: str):
        self.asked.append(study)
        return self.answers[study]


def test_each_answer_is_held_to_that_of_its_own_study() -> None:
    mixed_up = {**ANSWERS, "second": ANSWERS["third"]}
    client = Client(mixed_up)
    ask = asking(client, STUDIES, RIGHT, 1)  # type: ignore[arg-type]
    found = [run(ask(number)) for number in range(60)]
    assert set(client.asked) == set(STUDIES)
    assert [failure == WRONG for failure in found] == [study == "second" for study in client.asked]


def test_the_same_seed_asks_for_the_same_studies() -> None:
    def order(seed: int) -> list[str]:
        client = Client()
        ask = asking(client, STUDIES, RIGHT, seed)  # type: ignore[arg-type]
        for number in range(40):
            run(ask(number))
        return client.asked

    assert order(1) == order(1) != order(2)


def test_rules_of_machine_and_answers_stand_together() -> None:
    assert broken(Watch(), [None, None]) == []
    rules = broken(Watch(0.5, 0.0), [None, WRONG, "OVERLOADED"])
    assert [rule.split(":")[0] for rule in rules[1:]] == [
        "1 of 3 answers differ from the reference",
        "1 of 3 calls failed",
    ]
    assert rules[0].startswith("other processes used 50%")


def test_of_a_given_server_neither_processes_nor_machine_are_watched() -> None:
    with served("somewhere:8001") as server:
        assert server == Served("somewhere:8001", None)
        assert server.cpu_s() is None
        with server.watch() as watch:
            assert watch.broken == []


def test_transports_that_disagree_are_no_reference(monkeypatch) -> None:
    def client(address: str, transport: str):
        class One:
            def analyze(self, study: str):
                return ANSWERS["third" if (transport, study) == ("volume", "second") else study]

        return nullcontext(One())

    monkeypatch.setattr(module, "VcfClient", client)
    with pytest.raises(ValueError, match="transports volume and crop answer the same study differently"):
        right_answers("somewhere", "crop", STUDIES[:2])  # type: ignore[arg-type]
    assert right_answers("somewhere", "crop", ["first", "third"]) == (RIGHT[0], RIGHT[2])  # type: ignore[list-item]
