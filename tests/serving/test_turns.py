# SPDX-License-Identifier: Apache-2.0
"""Urgent studies overtake those that are not, no answer is lost, and nobody waits for one that never comes."""

import importlib.util
import os
import signal
import threading
import time
from contextlib import suppress
from functools import partial

import numpy as np
import pytest

pytest.importorskip("tritonclient.grpc")
from tests import fake_stub as stub
from tests.serving.watched import Watched
from vcf_contract.contract import (
    ADMISSION,
    ADMISSION_REQUEST,
    CENTRE_LINE_MM,
    CROP,
    FEATURE_ROWS,
    OWED_ANSWERS,
    PATCH_ENCODER,
    PATCHES,
    SPACING_MM,
    SPINE_PATCHES,
)
from vcf_runtime.deadline import key_of
from vcf_runtime.owed import Owed
from vcf_runtime.studies import NEXT, Studies
from vcf_runtime.turns import Turns
from vcf_server import processes
from vcf_server.guard import SHARED_MEMORY
from vcf_server.supervisor import Policy
from vcf_server.tables import deadline_table

MINUTE_US = 60_000_000
RNG = np.random.default_rng(7)


class Queue:
    """Requests that Triton hands over one by one, and their answers in the order in which they go out."""

    def __init__(self, studies, patience_s=60.0):
        self.studies = studies
        self.turns = Turns(studies, patience_s)
        self.order, self.begun = [], []

    def admit(self, name, *, urgent=False):
        self.studies.take(key_of(name), MINUTE_US, urgent=urgent)

    def hand_over(self, name):
        request = stub.Request({}, [], request_id=name)
        request.on_response = self._sent
        response = self.turns.answer(request, self._by_passes(request))
        if response is not None:
            self._sent(response)

    def _by_passes(self, request):
        """Its work in two passes."""
        self.begun.append(request.request_id())
        yield
        return self._work(request)

    def _work(self, request):
        return request.request_id()

    def _sent(self, response):
        self.order.append(response)

    def has_sent(self, count):
        end = time.monotonic() + 30
        while len(self.order) < count and time.monotonic() < end:
            time.sleep(0.01)
        return len(self.order) == count


@pytest.fixture
def studies(tmp_path):
    table = Studies(tmp_path / "studies")
    table.limit(6, 8)
    return table


@pytest.fixture
def queue(studies):
    return Queue(studies)


def test_without_an_urgent_study_all_go_in_their_order(queue):
    for name in ("a", "b", ""):
        queue.hand_over(name)
    assert queue.order == ["a", "b", ""]


def test_an_urgent_study_whose_patches_are_there_goes_first(queue, studies):
    for name in ("a", "b"):
        queue.admit(name)
    queue.admit("u", urgent=True)
    queue.hand_over("a")
    studies.waits(key_of("u"))
    for name in ("b", "", "u", "c"):
        queue.hand_over(name)
    assert queue.order == ["a", "u", "b", "", "c"]


def test_an_urgent_study_on_its_way_holds_nobody_up(queue):
    """Its patches are being cut: the encoder would stand still."""
    queue.admit("u", urgent=True)
    queue.hand_over("a")
    assert queue.order == ["a"]


def test_a_study_that_is_not_urgent_never_becomes_so(queue, studies):
    queue.admit("a")
    studies.waits(key_of("a"))
    queue.hand_over("b")
    assert queue.order == ["b"]


def test_urgent_studies_go_in_their_own_order_and_before_those_aside(queue, studies):
    for name in ("u", "v"):
        queue.admit(name, urgent=True)
        studies.waits(key_of(name))
    for name in ("a", "v", "b", "u", "c"):
        queue.hand_over(name)
    assert queue.order == ["v", "u", "a", "b", "c"]


@pytest.mark.parametrize("end", ["failed", "leave", "answered"])
def test_an_urgent_study_that_ends_holds_nobody_up(queue, studies, end):
    queue.admit("u", urgent=True)
    studies.waits(key_of("u"))
    getattr(studies, end)(key_of("u"))
    queue.hand_over("a")
    assert queue.order == ["a"]


def test_those_aside_are_first_when_the_urgent_study_is_gone(queue, studies):
    queue.admit("u", urgent=True)
    studies.waits(key_of("u"))
    queue.hand_over("a")
    studies.leave(key_of("u"))
    queue.hand_over("b")
    assert queue.order == ["a", "b"]


def test_an_urgent_study_that_never_comes_is_not_waited_for(studies):
    queue = Queue(studies, patience_s=0.05)
    queue.admit("u", urgent=True)
    studies.waits(key_of("u"))
    for name in ("a", "b"):
        queue.hand_over(name)
    assert queue.order == []
    assert queue.has_sent(2)
    while studies.urgent()[key_of("u")] == NEXT:
        time.sleep(0.01)
    queue.hand_over("c")
    assert queue.order == ["a", "b", "c"]


def test_those_aside_go_at_once_when_the_one_that_they_wait_for_has_left(queue, studies):
    """Though no other request comes that would look after them."""
    queue.admit("u", urgent=True)
    studies.waits(key_of("u"))
    queue.hand_over("a")
    studies.leave(key_of("u"))
    assert queue.has_sent(1) and queue.order == ["a"]


def test_urgent_studies_without_an_end_hold_a_request_up_so_long_and_no_longer(studies):
    queue = Queue(studies, patience_s=0.2)
    for number in range(2):
        queue.admit(f"u{number}", urgent=True)
    studies.waits(key_of("u0"))
    queue.hand_over("a")
    for number in range(1000):
        studies.waits(key_of(f"u{(number + 1) % 2}"))
        queue.hand_over(f"u{number % 2}")
        time.sleep(0.01)
        if "a" in queue.order:
            break
    assert queue.order.count("a") == 1 and len(queue.order) > 2


def test_an_urgent_study_that_was_expected_too_long_still_goes_before_those_aside(queue, studies):
    for name in ("u", "v"):
        queue.admit(name, urgent=True)
    studies.waits(key_of("v"))
    queue.hand_over("a")
    for name in ("u", "v"):
        queue.hand_over(name)
    assert queue.order == ["u", "v", "a"]


def test_a_study_that_asks_once_more_keeps_its_turn(queue, studies):
    queue.admit("u", urgent=True)
    studies.waits(key_of("u"))
    queue.admit("u", urgent=True)
    queue.admit("r")
    queue.admit("r", urgent=True)
    assert studies.urgent() == {key_of("u"): NEXT}


def test_work_that_fails_is_answered_with_an_error(queue, studies):
    queue.admit("u", urgent=True)
    studies.waits(key_of("u"))
    queue.hand_over("a")

    def fail(request):
        if request.request_id() == "u":
            raise MemoryError(f"{request.request_id()} of a patient")
        return request.request_id()

    queue._work = fail
    queue.hand_over("u")
    failed, answered = queue.order
    assert failed.error().code() == stub.TritonError.INTERNAL
    assert failed.error().message() == "the request failed: MemoryError"
    assert answered == "a"


def test_two_never_work_at_a_time(studies):
    """The timer's thread and Triton's would share one network's memory."""
    queue = Queue(studies, patience_s=0.05)
    at_work = []

    def work(request):
        at_work.append(len(at_work))
        time.sleep(0.1)
        at_work.pop()
        return f"{request.request_id()}{len(at_work)}"

    queue._work = work
    queue.admit("u", urgent=True)
    studies.waits(key_of("u"))
    queue.hand_over("a")
    time.sleep(0.1)  # the timer's thread is at work on it by now
    queue.hand_over("b")
    assert queue.has_sent(2) and queue.order == ["a0", "b0"]


def test_one_answer_that_cannot_be_sent_costs_no_other(queue, studies):
    queue.admit("u", urgent=True)
    studies.waits(key_of("u"))
    for name in ("a", "b"):
        queue.hand_over(name)

    def send(response):
        if response == "a":
            raise RuntimeError("the caller has gone")
        queue._sent(response)

    for aside in queue.turns._aside:
        aside.sender.send = lambda response, flags: send(response)
    queue.hand_over("u")
    assert queue.order == ["u", "b"]
    assert stub.Logger.errors[-1] == "a response could not be sent: RuntimeError"


def patches_come_while_at_work(queue, studies, *names):
    """Have the patches of urgent studies announced while the first pass of another one is at work."""
    for name in names:
        queue.admit(name, urgent=True)
    by_passes = queue._by_passes

    def announced(request):
        work = by_passes(request)
        next(work)
        for name in names:
            studies.waits(key_of(name))
        queue._by_passes = by_passes
        yield
        return (yield from work)

    queue._by_passes = announced


def test_one_that_is_being_worked_on_gives_way_between_two_passes_and_is_not_begun_again(queue, studies):
    patches_come_while_at_work(queue, studies, "u")
    for name in ("a", "b", "u"):
        queue.hand_over(name)
    assert queue.order == ["u", "a", "b"]
    assert queue.begun == ["a", "u", "b"]


def test_one_that_gave_way_in_the_middle_waits_so_long_and_no_longer(studies):
    queue = Queue(studies, patience_s=0.2)
    patches_come_while_at_work(queue, studies, "u", "v")
    queue.hand_over("a")
    for number in range(1000):
        studies.waits(key_of("uv"[number % 2 - 1]))
        queue.hand_over("uv"[number % 2])
        time.sleep(0.01)
        if "a" in queue.order:
            break
    assert queue.order.count("a") == queue.begun.count("a") == 1 and len(queue.order) > 2


def test_an_urgent_study_gives_way_to_no_other_urgent_one(queue, studies):
    queue.admit("v", urgent=True)
    patches_come_while_at_work(queue, studies, "u")
    for name in ("v", "u"):
        queue.hand_over(name)
    assert queue.order == ["v", "u"]


def test_answers_that_are_owed_are_seen_from_outside_until_the_last_is_given(studies, tmp_path):
    queue = Queue(studies)
    queue.turns = Turns(studies, 60.0, Owed(tmp_path / "deadlines"))
    mark = tmp_path / f"deadlines{OWED_ANSWERS}{os.getpid()}"
    seen = []
    queue._work = lambda request: seen.append(mark.exists()) or request.request_id()
    queue.admit("u", urgent=True)
    queue.hand_over("r")
    studies.waits(key_of("u"))
    for name in ("a", "b", "u"):
        queue.hand_over(name)
    assert queue.order == ["r", "u", "a", "b"]
    assert seen == [False, True, True, True]
    assert not mark.exists()


class Steps:
    """Steps of a study called one by one, as an ensemble calls them; one study that is urgent, and its patches."""

    def __init__(self, server):
        grpc_client = pytest.importorskip("tritonclient.grpc")
        self._make, self._client = grpc_client.InferInput, grpc_client.InferenceServerClient(server.grpc_url)

    def infer(self, model, arrays, request_id, callback=None):
        made = []
        for tensor, array in arrays.items():
            made.append(self._make(tensor.name, array.shape, tensor.dtype))
            made[-1].set_data_from_numpy(array)
        call = {"model_name": model.name, "inputs": made, "request_id": request_id, "timeout": MINUTE_US}
        return self._client.infer(**call) if callback is None else self._client.async_infer(callback=callback, **call)

    def ask(self, word):
        self.infer(ADMISSION, {ADMISSION_REQUEST: np.array([word.encode()], object)}, "urgent")

    def __enter__(self):
        line = np.array([[90, 90, 6 * z] for z in range(30)], np.float32)
        crop = np.full((30, 32, 32), 40, np.int16)
        self.ask("urgent")
        study = {CROP: crop, SPACING_MM: np.full(3, 6, np.float32), CENTRE_LINE_MM: line}
        self.patches = self.infer(SPINE_PATCHES, study, "urgent").as_numpy(PATCHES.name)
        return self

    def __exit__(self, *error):
        with suppress(Exception):  # the server may have ended meanwhile
            self.ask("leave")
        self._client.close()


@pytest.mark.server
def test_triton_sends_the_answer_to_an_urgent_study_before_that_to_an_earlier_one(triton_server):
    answers, all_there = [], threading.Event()

    def take(name, result, error):
        answers.append((name, result, error))
        if len(answers) == 2:
            all_there.set()

    with Steps(triton_server) as steps:
        patches = {"earlier": RNG.random(steps.patches.shape, np.float32), "urgent": steps.patches}
        for name, of_study in patches.items():
            steps.infer(PATCH_ENCODER, {PATCHES: of_study}, name, partial(take, name))
            time.sleep(0.05)
        assert all_there.wait(30)
        assert [name for name, _, _ in answers] == ["urgent", "earlier"]
        for name, result, error in answers:
            assert error is None
            alone = steps.infer(PATCH_ENCODER, {PATCHES: patches[name]}, "alone")
            np.testing.assert_array_equal(*(of.as_numpy(FEATURE_ROWS.name) for of in (result, alone)))


@pytest.mark.server
def test_who_gave_way_in_a_process_that_dies_is_told(tiny_repository):
    """Triton would wait for the answer for ever, and its caller until the deadline."""
    if importlib.util.find_spec("pytriton") is None:
        pytest.skip("the Triton server is not installed (nvidia-pytriton)")
    told, watched = threading.Event(), Watched(tiny_repository, Policy(server=False))
    try:
        with Steps(watched.server) as steps:
            steps.infer(PATCH_ENCODER, {PATCHES: steps.patches}, "earlier", lambda result, error: told.set())
            prefix = watched.server.shm_prefix
            mark = deadline_table(prefix).name + OWED_ANSWERS
            while not list(SHARED_MEMORY.glob(f"{mark}*")):
                time.sleep(0.005)
            (pid,) = (pid for pid, model in processes.stubs(prefix).items() if model == PATCH_ENCODER.name)
            os.kill(pid, signal.SIGKILL)
            assert told.wait(30)  # half of what its deadline allows
        watched.join(30)
        assert watched.said == []
        assert "a process of the model patch_encoder has ended that owed answers" in watched.end
    finally:
        watched.close()
