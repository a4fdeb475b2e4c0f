# SPDX-License-Identifier: Apache-2.0
"""The model's question and answer; what it does with a study is tested in tests/serving/test_admission.py."""

import numpy as np
import pytest

pytest.importorskip("tritonclient.grpc")
from tests import fake_stub as stub
from vcf_contract.contract import ADMISSION_REQUEST, STUDIES_IN_FLIGHT
from vcf_contract.errors import Code, StudyRefused
from vcf_export.config import CPU, STUDIES
from vcf_runtime import admission, deadline
from vcf_runtime.deadline import Deadlines
from vcf_runtime.studies import Studies

FOLDER = stub.ROOT / "model_repository" / "admission"
ROUTINE, URGENT = STUDIES[CPU]


@pytest.fixture(autouse=True)
def tables(tmp_path, monkeypatch):
    monkeypatch.setattr(admission, "STUDIES", Studies(tmp_path / "studies"))
    monkeypatch.setattr(deadline, "DEADLINES", Deadlines(tmp_path / "deadlines"))


def made(change=lambda text: text):
    model = stub.load(FOLDER / "1" / "model.py").TritonPythonModel()
    model.initialize(stub.arguments(FOLDER, change(stub.config_text(FOLDER))))
    return model


def ask(model, words, request_id="one", timeout=60_000_000):
    array = np.array([word.encode() for word in words], object)
    request = stub.Request({ADMISSION_REQUEST.name: array}, [STUDIES_IN_FLIGHT.name], None, request_id, timeout)
    (response,) = model.execute([request])
    return response


def test_as_many_are_taken_as_the_configuration_says():
    model = made()
    counts = [ask(model, ["routine"], f"study {n}").arrays()[STUDIES_IN_FLIGHT.name].tolist() for n in range(ROUTINE)]
    assert counts == [[n + 1] for n in range(ROUTINE)]
    assert ask(model, ["routine"], "more").error().code() == stub.TritonError.UNAVAILABLE
    assert not ask(model, ["urgent"], "more").has_error()
    assert ask(model, ["leave"], "more").arrays()[STUDIES_IN_FLIGHT.name].tolist() == [ROUTINE]


@pytest.mark.parametrize(
    ("words", "request_id"),
    [(["soon"], "one"), ([""], "one"), ([], "one"), (["routine"] * 2, "one"), (["routine"], "")],
)
def test_other_words_and_no_id_are_bad_input(words, request_id):
    refused = ask(made(), words, request_id)
    assert refused.error().code() == stub.TritonError.INVALID_ARG
    assert StudyRefused.find(refused.error().message()).code is Code.BAD_INPUT


def test_a_timeout_of_years_is_bad_input():
    assert ask(made(), ["routine"], timeout=10**17).error().code() == stub.TritonError.INVALID_ARG


@pytest.mark.parametrize("most", [("x", "4"), ("0", "4"), ("100000", "4")])
def test_limits_that_make_no_sense_keep_it_from_loading(most):
    with pytest.raises(ValueError):
        made(lambda text: text.replace(f'"{ROUTINE}"', f'"{most[0]}"').replace(f'"{URGENT}"', f'"{most[1]}"'))
