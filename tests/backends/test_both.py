# SPDX-License-Identifier: Apache-2.0
"""What the two backends have in common: answers, merging, errors of single requests, refusals at load."""

import numpy as np
import pytest

from tests import fake_stub as stub
from vcf_runtime.runtime_model import ConfigError

RNG = np.random.default_rng(1)


def test_answers_as_the_formula_does(kit):
    rows = RNG.normal(size=(5, 3))
    (response,) = kit.load().execute([kit.request(rows)])
    found = response.arrays()["y"]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, kit.expected(rows), rtol=1e-6, atol=1e-6)


def test_requests_of_a_batch_are_merged_and_split_again(kit, monkeypatch):
    model = kit.load()
    sizes, infer = [], model._infer
    monkeypatch.setattr(model, "_infer", lambda inputs: sizes.append(len(inputs["x"])) or infer(inputs))
    batches = [RNG.normal(size=(n, 3)) for n in (1, 3, 2)]
    responses = model.execute([kit.request(rows) for rows in batches])
    assert sizes == [6]
    for rows, response in zip(batches, responses, strict=True):
        np.testing.assert_allclose(response.arrays()["y"], kit.expected(rows), rtol=1e-6, atol=1e-6)


def test_a_batch_goes_through_in_passes_of_so_many_rows(kit, monkeypatch):
    model = kit.load({"ROWS_A_PASS": "4"})
    sizes, infer = [], model._infer
    monkeypatch.setattr(model, "_infer", lambda inputs: sizes.append(len(inputs["x"])) or infer(inputs))
    alone, merged = RNG.normal(size=(9, 3)), [RNG.normal(size=(n, 3)) for n in (3, 2)]
    responses = [*model.execute([kit.request(alone)]), *model.execute([kit.request(rows) for rows in merged])]
    assert sizes == [4, 4, 1, 4, 1]
    for rows, response in zip([alone, *merged], responses, strict=True):
        np.testing.assert_allclose(response.arrays()["y"], kit.expected(rows), rtol=1e-6, atol=1e-6)


def test_a_pass_that_loses_rows_is_an_error(kit, monkeypatch):
    model = kit.load({"ROWS_A_PASS": "4"})
    monkeypatch.setattr(model, "_infer", lambda inputs: {"y": np.zeros((1, 2), np.float32)})
    (response,) = model.execute([kit.request(RNG.normal(size=(9, 3)))])
    assert response.error().message() == "model 'linear' failed: output 'y' has shape [1, 2] for a batch of 4"


def test_passes_are_of_batches(kit):
    assert "'ROWS_A_PASS' is for models with a max_batch_size" in refusal(kit, {"ROWS_A_PASS": "4"}, max_batch_size=0)


def test_without_a_batch_dimension_every_request_runs_alone(kit, monkeypatch):
    model = kit.load(max_batch_size=0, x_dims="-1, 3", y_dims="-1, 2")
    sizes, infer = [], model._infer
    monkeypatch.setattr(model, "_infer", lambda inputs: sizes.append(len(inputs["x"])) or infer(inputs))
    batches = [RNG.normal(size=(n, 3)) for n in (4, 1)]
    responses = model.execute([kit.request(rows) for rows in batches])
    assert sizes == [4, 1]
    for rows, response in zip(batches, responses, strict=True):
        np.testing.assert_allclose(response.arrays()["y"], kit.expected(rows), rtol=1e-6, atol=1e-6)


def test_answers_stay_after_the_next_execution(kit):
    """A runtime may write its next answer over the last one."""
    model = kit.load()
    (first,) = model.execute([kit.request([[1, 2, 3]])])
    model.execute([kit.request([[-9, -9, -9]])])
    np.testing.assert_allclose(first.arrays()["y"], kit.expected([[1, 2, 3]]), rtol=1e-6)


def test_only_the_request_at_fault_gets_an_error(kit):
    model = kit.load()
    responses = model.execute([kit.request([[1, 2, 3]]), kit.request([[1, 2]]), kit.request([[4, 5, 6]])])
    assert [response.has_error() for response in responses] == [False, True, False]
    error = responses[1].error()
    assert error.code() == stub.TritonError.INTERNAL
    assert error.message().startswith("model 'linear' failed: ") and "\n" not in error.message()
    np.testing.assert_allclose(responses[2].arrays()["y"], kit.expected([[4, 5, 6]]), rtol=1e-6)


def test_outputs_that_nobody_asked_for_are_not_sent(kit):
    (response,) = kit.load().execute([kit.request([[1, 2, 3]], outputs=())])
    assert response.arrays() == {}


def refusal(kit, *arguments, **options):
    with pytest.raises(ConfigError) as caught:
        kit.load(*arguments, **options)
    return str(caught.value)


def test_unknown_parameter(kit):
    text = refusal(kit, {"NUM_STREMS": "1"})
    assert "'NUM_STREMS' is unknown; accepted are " in text


def test_missing_file(kit):
    (kit.folder / "1").mkdir(parents=True)
    assert refusal(kit) == "version 1 of the model has no file model.onnx"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"x": "z"}, "the network has no input 'z'; it has x"),
        ({"x_dims": "4"}, "input 'x' has shape [-1, 3] in the network, [-1, 4] in the configuration"),
        ({"x_dims": "-1"}, "input 'x' has shape [-1, 3] in the network, [-1, -1] in the configuration"),
        ({"x_dims": "3, 1"}, "input 'x' has shape [-1, 3] in the network, [-1, 3, 1] in the configuration"),
        ({"y_dims": "5"}, "output 'y' has shape [-1, 2] in the network, [-1, 5] in the configuration"),
        ({"x_type": "INT32"}, "input 'x' is float32 in the network, int32 in the configuration"),
        ({"x_type": "STRING"}, "tensor 'x' has TYPE_STRING; accepted are TYPE_BOOL"),
        ({"more": "sequence_batching { direct { } }"}, "the field sequence_batching is not supported"),
        ({"more": 'input { name: "extra" data_type: TYPE_FP32 dims: [1] }'}, "the network has no input 'extra'"),
        ({"more": "batch_input { kind: BATCH_ELEMENT_COUNT }"}, "the field batch_input is not supported"),
    ],
)
def test_configuration_that_does_not_fit(kit, options, text):
    assert text in refusal(kit, **options)


def test_network_with_a_fixed_batch(kit):
    kit.write_network(batch=4)
    assert "input 'x' has shape [4, 3] in the network, [-1, 3] in the configuration" in refusal(kit)


def test_only_the_cpu(kit):
    kit.write_network()
    arguments = stub.arguments(kit.folder, kit.config()) | {"model_instance_kind": "GPU"}
    with pytest.raises(ConfigError, match="kind GPU; only KIND_CPU"):
        kit.module.TritonPythonModel().initialize(arguments)


@pytest.mark.parametrize("value", ["0", "-1", "all"])
def test_a_number_that_is_none(kit, value):
    with pytest.raises(ConfigError, match=f"'ROWS_A_PASS' must be a number, 1 or more, found '{value}'"):
        kit.load({"ROWS_A_PASS": value})
