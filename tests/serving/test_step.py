# SPDX-License-Identifier: Apache-2.0
"""How a Python model answers: types by the contract, refusals and failures apart."""

import numpy as np
import pytest

pytest.importorskip("tritonclient.grpc")
from tests import fake_stub as stub
from vcf_contract.contract import Model, Tensor
from vcf_contract.errors import Code, StudyRefused
from vcf_runtime.step import answer

MODEL = Model(
    "step",
    (Tensor("a", "FP32", (-1,), ""), Tensor("b", "INT32", (-1,), "")),
    (Tensor("sum", "FP32", (-1,), ""), Tensor("names", "BYTES", (-1,), ""), Tensor("clock", "INT64", (2,), "")),
)
OUTPUTS = [tensor.name for tensor in MODEL.outputs]


def request(a=(1.0, 2.0), b=(3, 4), outputs=OUTPUTS):
    return stub.Request({"a": np.array(a, np.float32), "b": np.array(b, np.int32)}, outputs)


def add(a, b):
    return {"sum": a + b, "names": [b"X", b"YZ"], "clock": (1, 2**40)}


def test_outputs_have_the_contracts_types():
    (response,) = answer(MODEL, [request()], add)
    arrays = response.arrays()
    np.testing.assert_array_equal(arrays["sum"], np.array([4, 6], np.float32))
    assert arrays["sum"].dtype == np.float32 and arrays["clock"].dtype == np.int64
    assert arrays["clock"].tolist() == [1, 2**40]
    assert arrays["names"].dtype == object and arrays["names"].tolist() == [b"X", b"YZ"]


def test_no_names_is_an_empty_tensor():
    (response,) = answer(MODEL, [request()], lambda a, b: {**add(a, b), "names": []})
    assert response.arrays()["names"].shape == (0,)


def test_only_requested_outputs_are_sent():
    (response,) = answer(MODEL, [request(outputs=["sum"])], add)
    assert set(response.arrays()) == {"sum"}


def test_views_are_made_contiguous():
    (response,) = answer(MODEL, [request()], lambda a, b: {**add(a, b), "sum": np.arange(6.0)[::2]})
    assert response.arrays()["sum"].flags.c_contiguous


def work_on_some(a, b):
    if a[0] < 0:
        raise StudyRefused(Code.SPINE_NOT_FOUND, "found on 1 of 9 slices, at least 5 are needed")
    if a[0] > 100:
        raise ValueError("a must not be above 100")
    return add(a, b)


def test_each_request_has_its_own_fate():
    stub.Logger.errors.clear()
    good, refused, failed = answer(MODEL, [request(), request(a=(-1, 0)), request(a=(101, 0))], work_on_some)
    assert not good.has_error()
    assert refused.error().code() == stub.TritonError.INVALID_ARG
    assert refused.error().message() == "SPINE_NOT_FOUND: found on 1 of 9 slices, at least 5 are needed"
    assert failed.error().code() == stub.TritonError.INTERNAL
    # A library's error may quote what it was given: the caller gets its type and place, the text nobody.
    assert failed.error().message().startswith("step failed: ValueError at ")
    assert "work_on_some" in failed.error().message() and "100" not in failed.error().message()


def test_log_names_the_place_and_never_the_values():
    stub.Logger.errors.clear()
    answer(MODEL, [request(a=(-1, 0)), request(a=(101, 0))], work_on_some)
    (line,) = stub.Logger.errors  # a refusal is no error of the server
    assert line.startswith("step failed: ValueError at ") and "work_on_some" in line
    assert "100" not in line and "\n" not in line
