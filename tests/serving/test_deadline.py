# SPDX-License-Identifier: Apache-2.0
"""The table of deadlines: between processes, and what it does to the steps that ask it."""

import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("tritonclient.grpc")
from tests import fake_stub as stub
from vcf_contract.contract import CLOCK, Model, Tensor
from vcf_runtime import deadline, runtime_model, step
from vcf_runtime.deadline import Deadlines

MS = 1000  # microseconds


@pytest.fixture
def table(tmp_path, monkeypatch):
    table = Deadlines(tmp_path / "table")
    monkeypatch.setattr(deadline, "DEADLINES", table)
    return table


def test_passes_when_its_time_is_over_and_not_before(table):
    table.begin("one", 50 * MS)
    assert not table.passed("one", 50 * MS)
    time.sleep(0.06)
    assert table.passed("one", 50 * MS)


def test_begins_anew_when_an_id_is_used_again(table):
    table.begin("one", 1)
    table.begin("one", 60_000 * MS)
    assert not table.passed("one", 60_000 * MS)


def test_is_made_earlier_and_never_later(table):
    table.begin("one", 50 * MS)
    table.shorten("one", 60_000 * MS)
    table.shorten("another", 1)
    time.sleep(0.06)
    assert table.passed("one", 1)
    table.begin("two", 60_000 * MS)
    table.shorten("two", 1)
    assert table.passed("two", 1)


def test_ends_at_once(table):
    table.begin("one", 60_000 * MS)
    table.end("one")
    table.end("never seen")
    assert table.passed("one", 1) and not table.passed("never seen", 1)


@pytest.mark.parametrize(("request_id", "timeout_us"), [("", 5), ("never seen", 5), ("one", 0)])
def test_what_has_no_deadline_never_passes(table, request_id, timeout_us):
    table.begin("one", 1)
    table.begin("", 1)
    assert not table.passed(request_id, timeout_us)


def test_nothing_is_made_before_there_is_a_deadline(tmp_path):
    table = Deadlines(tmp_path / "table")
    table.begin("one", 0)
    assert not table.passed("one", 5)
    assert list(tmp_path.iterdir()) == []


def test_no_shared_memory_means_no_deadline_and_no_failure(tmp_path):
    table = Deadlines(tmp_path / "missing" / "table")
    table.begin("one", 1)
    assert not table.passed("one", 1)


def test_a_full_table_loses_deadlines_and_refuses_nothing_alive(table):
    for number in range(20_000):
        table.begin(f"late {number}", 60_000 * MS)
    assert not any(table.passed(f"late {number}", 60_000 * MS) for number in range(20_000))


def test_other_processes_see_it(table, tmp_path):
    table.begin("one", 1)
    code = (
        "import sys; from pathlib import Path; from vcf_runtime.deadline import Deadlines; "
        "print(Deadlines(Path(sys.argv[1])).passed('one', 1))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "table")], capture_output=True, text=True, timeout=300, check=True
    )
    assert done.stdout.strip() == "True"


def test_file_is_for_this_user_alone(table, tmp_path):
    table.begin("one", 1)
    assert (tmp_path / "table").stat().st_mode & 0o777 == 0o600


STEP = Model(
    "step",
    (Tensor("a", "FP32", (-1,), ""), CLOCK),
    (Tensor("b", "FP32", (-1,), ""),),
)


def ask(request_id, timeout_us, clock=None):
    inputs = {"a": np.ones(2, np.float32)} | ({} if clock is None else {CLOCK.name: np.array(clock)})
    request = stub.Request(inputs, ["b"], request_id=request_id, timeout=timeout_us)
    worked = []

    def work(a, clock_ns):
        worked.append(1)
        return {"b": a}

    (response,) = step.answer(STEP, [request], work)
    return response, worked


def test_step_behind_another_one_does_not_begin_late(table):
    assert not ask("one", 1)[0].has_error()  # the first step: here the time begins
    response, worked = ask("one", 1, clock=[1, 2])
    assert response.error().code() == stub.TritonError.CANCELLED
    assert response.error().message() == "DEADLINE_EXCEEDED: the study's time was over before step began"
    assert worked == []
    response, worked = ask("another", 1, clock=[1, 2])
    assert not response.has_error() and worked == [1]


def test_backend_leaves_late_requests_out_of_the_batch(table):
    table.begin("late", 1)
    port = runtime_model.Port("x", np.dtype(np.float32), (-1, 2))
    model = SimpleNamespace(
        name="net",
        inputs=(port,),
        outputs=(port,),
        max_batch_size=8,
        rows_a_pass=None,
        most_rows=None,
        takes_turns=False,
    )
    requests = [
        stub.Request({"x": np.full((2, 2), value, np.float32)}, ["x"], request_id=name, timeout=1)
        for name, value in (("in time", 1), ("late", 2), ("also in time", 3))
    ]
    seen = []

    def infer(inputs):
        seen.append(inputs["x"][:, 0].tolist())
        return inputs

    first, late, last = runtime_model.answer(model, requests, infer)
    assert seen == [[1, 1, 3, 3]]
    assert late.error().code() == stub.TritonError.CANCELLED
    assert first.arrays()["x"][0, 0] == 1 and last.arrays()["x"][0, 0] == 3
