# SPDX-License-Identifier: Apache-2.0
"""Which studies the steps take, count and refuse."""

import numpy as np
import pytest

pytest.importorskip("tritonclient.grpc")
from tests import fake_stub as stub
from vcf_contract.contract import (
    ADMISSION,
    ADMISSION_REQUEST,
    ANSWERED_BY,
    CENTRE_LINE,
    CLOCK,
    COUNTED_BY,
    SELF_TEST,
    STUDIES_IN_FLIGHT,
    Model,
    Priority,
    Tensor,
)
from vcf_contract.errors import Code, StudyRefused
from vcf_runtime import admission, deadline, step
from vcf_runtime.deadline import Deadlines, key_of
from vcf_runtime.studies import NEXT, TAKEN, URGENT, Studies

MINUTE_US = 60_000_000
MODEL = stub.ROOT / "model_repository" / "admission"
FRONT = Model(
    COUNTED_BY[-1].name,
    (Tensor("a", "FP32", (-1,), ""), CLOCK),
    (Tensor("clock_out", "INT64", (-1,), CLOCK.meaning),),
)
LAST = Model(ANSWERED_BY.name, (Tensor("a", "FP32", (-1,), ""), CLOCK), ())


@pytest.fixture(autouse=True)
def tables(tmp_path, monkeypatch):
    studies = Studies(tmp_path / "studies")
    monkeypatch.setattr(admission, "STUDIES", studies)
    monkeypatch.setattr(deadline, "DEADLINES", Deadlines(tmp_path / "deadlines"))
    monkeypatch.setattr(admission, "_warmed_up", {FRONT.name, LAST.name})
    stub.MetricFamily.values.clear()
    studies.limit(2, 3)
    return studies


@pytest.fixture
def model():
    module = stub.load(MODEL / "1" / "model.py")
    made = module.TritonPythonModel()
    made.initialize(stub.arguments(MODEL, stub.config_text(MODEL)))
    admission.STUDIES.limit(2, 3)
    return made


def ask(model, word, request_id="one", timeout=MINUTE_US):
    request = stub.Request(
        {ADMISSION_REQUEST.name: np.array([word.encode()], object)}, [STUDIES_IN_FLIGHT.name], None, request_id, timeout
    )
    (response,) = model.execute([request])
    return response


def front(request_id="", clock=None, work=None, mark=7):
    inputs = {"a": np.zeros(1, np.float32)} | ({} if clock is None else {CLOCK.name: np.array(clock, np.int64)})
    request = stub.Request(inputs, ["clock_out"], None, request_id, MINUTE_US)
    (response,) = step.answer(FRONT, [request], work or (lambda a, clock: {"clock_out": [mark]}))
    return response


def last(request_id="", clock=(7,)):
    inputs = {"a": np.zeros(1, np.float32), CLOCK.name: np.array(clock, np.int64)}
    (response,) = step.answer(LAST, [stub.Request(inputs, [], None, request_id, MINUTE_US)], lambda a, clock: {})
    assert not response.has_error()


def in_flight(tables):
    tables.take(1, 1, urgent=True)
    return tables.failed(1)


def test_room_is_asked_for_and_refused(model):
    for number in range(2):
        assert ask(model, "routine", f"study {number}").arrays()[STUDIES_IN_FLIGHT.name].tolist() == [number + 1]
    refused = ask(model, "routine", "more")
    assert refused.error().code() == stub.TritonError.UNAVAILABLE
    assert refused.error().message().startswith("OVERLOADED: 2 studies ")
    assert not ask(model, "urgent", "more").has_error()
    assert ask(model, "urgent", "and more").has_error()
    name = "vcf_studies_refused_for_load"
    for priority in ("routine", "urgent"):
        assert stub.counted(name, (("priority", priority),), 1)


def test_admitted_study_is_counted_once_from_admission_to_its_last_step(model, tables):
    ask(model, "routine")
    assert not front("one").has_error()
    assert in_flight(tables) == 1
    last("one")
    assert in_flight(tables) == 0


def test_a_study_without_admission_is_counted_by_its_first_step(tables):
    for number in range(2):
        assert not front(f"study {number}").has_error()
    refused = front("more")
    assert refused.error().code() == stub.TritonError.UNAVAILABLE
    assert refused.error().message().startswith("OVERLOADED: ")
    last("study 0")
    assert not front("more").has_error()


def test_a_study_without_an_id_is_known_by_its_clock(tables):
    front(mark=7)
    front(mark=8)
    assert in_flight(tables) == 2 and front(mark=9).has_error()
    last(clock=(7, 100))
    assert in_flight(tables) == 1


def test_a_step_that_fails_or_refuses_makes_room(model, tables):
    def fail(a, clock):
        raise StudyRefused(Code.SPINE_NOT_FOUND, "no")

    ask(model, "routine")
    assert front("one", work=fail).has_error()
    assert front(work=fail).has_error()
    assert in_flight(tables) == 0


def test_warm_up_counts_for_nothing(tables, monkeypatch):
    monkeypatch.setattr(admission, "_warmed_up", set())
    front()
    assert in_flight(tables) == 0
    front()
    assert in_flight(tables) == 1


def test_self_tests_count_for_nothing_and_are_never_refused_for_load(tables):
    for number in range(2):
        front(f"study {number}")
    for _ in range(5):
        assert not front(SELF_TEST).has_error()
    assert in_flight(tables) == 2


def test_what_is_given_up_begins_no_further_step(model, tables):
    ask(model, "routine")
    front("one")
    ask(model, "leave")
    assert in_flight(tables) == 0

    def work(a, clock):
        pytest.fail("the step began")

    for clock in (None, (7,)):  # the first step, and one in the middle
        late = front("one", clock=clock, work=work)
        assert late.error().code() == stub.TritonError.CANCELLED
        assert late.error().message().startswith("DEADLINE_EXCEEDED: ")
    # Another study of that id is another study.
    ask(model, "routine")
    assert not front("one").has_error()


def test_time_runs_from_admission_on(model, tables, monkeypatch):
    ask(model, "routine", timeout=1)
    assert front("one").error().code() == stub.TritonError.CANCELLED


def test_the_encoder_waits_for_an_urgent_study_while_the_server_works_on_it_and_not_while_its_caller_does(tables):
    """Its slices are examined, its caller sends the crop, its patches are cut; a routine one is never waited for."""
    for name, urgent in (("urgent", True), ("routine", False)):
        tables.take(key_of(name), MINUTE_US, urgent=urgent)
        tables.waits(key_of(name))  # as the detector does
    assert tables.urgent() == {key_of("urgent"): NEXT}
    line = Model(CENTRE_LINE.name, FRONT.inputs, FRONT.outputs)
    for state, model in ((URGENT, line), (NEXT, FRONT)):
        for name in ("urgent", "routine"):
            request = stub.Request({"a": np.zeros(1, np.float32)}, ["clock_out"], None, name, MINUTE_US)
            (response,) = step.answer(model, [request], lambda a, clock: {"clock_out": [7]})
            assert not response.has_error()
        assert tables.urgent() == {key_of("urgent"): state}
    assert tables.state(key_of("routine")) == TAKEN


def test_a_request_may_have_less_time_than_was_admitted(model):
    ask(model, "routine")
    inputs = {"a": np.zeros(1, np.float32)}
    (response,) = step.answer(FRONT, [stub.Request(inputs, ["clock_out"], None, "one", 1)], lambda a, clock: {})
    assert response.error().code() == stub.TritonError.CANCELLED


def test_an_urgent_study_goes_before_a_routine_one_in_tritons_queues():
    assert Priority.URGENT.level == 1 and Priority.ROUTINE.level == 2
    assert ADMISSION.name not in {model.name for model in COUNTED_BY}
    assert key_of("a") != key_of("b")
