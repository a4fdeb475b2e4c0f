# SPDX-License-Identifier: Apache-2.0
"""A configuration as a backend takes it, and batches of requests to a formula in place of a network."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tritonclient.grpc")

from tests import fake_stub as stub
from vcf_contract.contract import PATCH_ENCODER, ROWS_A_PASS, SPINAL_CORD_DETECTOR
from vcf_runtime import received, runtime_model
from vcf_runtime.deadline import key_of
from vcf_runtime.runtime_model import ConfigError, Port, RuntimeModel, answer, answering
from vcf_runtime.studies import NEXT, URGENT, Studies

CONFIG = """
name: "linear"
backend: "openvino"
default_model_filename: "model.onnx"
max_batch_size: {batch}
input {{ name: "x" data_type: TYPE_FP32 dims: [3] }}
output {{ name: "y" data_type: TYPE_FP32 dims: [2] }}
{more}
"""


def read(folder: Path, more: str = "", *, batch: int = 8) -> RuntimeModel:
    (folder / "linear" / "1").mkdir(parents=True, exist_ok=True)
    (folder / "linear" / "1" / "model.onnx").touch()
    arguments = stub.arguments(folder / "linear", CONFIG.format(more=more, batch=batch))
    return RuntimeModel.from_args(arguments, "model.xml")


def request(rows: int, first: float = 0.0, wanted: tuple[str, ...] = ("y",)) -> Any:
    return stub.Request({"x": np.arange(first, first + 3 * rows, dtype=np.float32).reshape(rows, 3)}, list(wanted))


class Formula:
    """y = (sum, largest) of each row; notes how many rows came at once, and fails on a negative one."""

    def __init__(self) -> None:
        self.rows: list[int] = []

    def __call__(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        x = inputs["x"]
        self.rows.append(len(x))
        if (x < 0).any():
            raise ValueError("negative\nand more")
        return {"y": np.stack([x.sum(axis=1), x.max(axis=1)], axis=1)}


def values(response: Any) -> list[list[float]]:
    assert not response.has_error(), response.error().message()
    return response.output_tensors()[0].as_numpy().tolist()


def test_shapes_include_the_batch(tmp_path: Path) -> None:
    model = read(tmp_path)
    assert model.inputs == (Port("x", np.dtype(np.float32), (-1, 3)),)
    assert read(tmp_path, batch=0).outputs == (Port("y", np.dtype(np.float32), (2,)),)
    assert model.path.name == "model.onnx"


def test_requests_go_through_together_and_each_gets_its_own(tmp_path: Path) -> None:
    infer = Formula()
    one, two = answer(read(tmp_path), [request(2), request(1, 100)], infer)
    assert infer.rows == [3]
    assert values(one) == [[3, 2], [12, 5]] and values(two) == [[303, 102]]


def test_only_the_one_at_fault_gets_an_error(tmp_path: Path) -> None:
    infer = Formula()
    good, bad, other = answer(read(tmp_path), [request(1), request(1, -9), request(1, 50)], infer)
    assert infer.rows == [3, 1, 1, 1], "once together, then each alone"
    assert values(good) == [[3, 2]] and values(other) == [[153, 52]]
    assert bad.error().message() == "model 'linear' failed: negative"


def test_a_batch_is_cut_into_passes(tmp_path: Path) -> None:
    model = read(tmp_path, 'parameters { key: "ROWS_A_PASS" value { string_value: "2" } }')
    infer = Formula()
    (found,) = answer(model, [request(5)], infer)
    assert infer.rows == [2, 2, 1] and values(found)[-1] == [39, 14]


@pytest.fixture
def studies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Studies:
    """Those that the server has taken: none yet."""
    table = Studies(tmp_path / "studies")
    monkeypatch.setattr(runtime_model, "STUDIES", table)
    return table


def named(model: RuntimeModel, name: str) -> RuntimeModel:
    return replace(model, name=name)


def test_the_encoder_takes_short_passes_while_an_urgent_study_is_on_its_way(
    tmp_path: Path, studies: Studies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(received, "check_network", lambda *of_what, **how: None)  # x is no tensor of the encoder
    more = f'parameters {{ key: "{ROWS_A_PASS}" value {{ string_value: "16" }} }}'
    model = read(tmp_path, more, batch=8)
    encoder = replace(named(model, PATCH_ENCODER.name), max_batch_size=0)
    assert encoder.takes_turns and not model.takes_turns
    execute, infer = answering(encoder), Formula()
    (alone,) = execute([request(21)], infer)
    studies.take(key_of("urgent"), 60_000_000, urgent=True)
    (beside,) = execute([request(21)], infer)
    its_own = request(21)
    its_own.request_id = lambda: "urgent"
    (urgent,) = execute([its_own], infer)
    assert infer.rows == [16, 5] + [4] * 5 + [1] + [16, 5]
    assert values(alone) == values(beside) == values(urgent)


def test_passes_beside_an_urgent_study_are_no_longer_than_configured(
    tmp_path: Path, studies: Studies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(received, "check_network", lambda *of_what, **how: None)
    more = f'parameters {{ key: "{ROWS_A_PASS}" value {{ string_value: "2" }} }}'
    encoder = replace(named(read(tmp_path, more), PATCH_ENCODER.name), max_batch_size=0)
    studies.take(key_of("urgent"), 60_000_000, urgent=True)
    infer = Formula()
    answering(encoder)([request(5)], infer)
    assert infer.rows == [2, 2, 1]


def test_the_detector_says_that_an_urgent_study_has_come(tmp_path: Path, studies: Studies) -> None:
    studies.take(key_of("urgent"), 60_000_000, urgent=True)
    asked = request(1)
    asked.request_id = lambda: "urgent"
    answer(read(tmp_path), [asked], Formula())
    assert studies.urgent() == {key_of("urgent"): URGENT}
    answer(named(read(tmp_path), SPINAL_CORD_DETECTOR.name), [asked, request(1)], Formula())
    assert studies.urgent() == {key_of("urgent"): NEXT}


def test_what_nobody_asked_for_is_not_sent(tmp_path: Path) -> None:
    (found,) = answer(read(tmp_path), [request(1, wanted=())], Formula())
    assert found.output_tensors() == []


def test_a_network_that_loses_rows_is_an_error(tmp_path: Path) -> None:
    one, two = answer(read(tmp_path), [request(1), request(1)], lambda inputs: {"y": np.zeros((1, 2), np.float32)})
    assert not one.has_error() and not two.has_error(), "alone, each gets its one row"
    model = read(tmp_path, 'parameters { key: "ROWS_A_PASS" value { string_value: "2" } }')
    (bad,) = answer(model, [request(4)], lambda inputs: {"y": np.zeros((1, 2), np.float32)})
    assert "has shape [1, 2] for a batch of 2" in bad.error().message()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ('parameters { key: "ROWS_A_PASS" value { string_value: "0" } }', "'ROWS_A_PASS' must be a number, 1 or more"),
        ('parameters { key: "ROWS_A_PASS" value { string_value: "two" } }', "found 'two'"),
        ("sequence_batching { }", "sequence_batching is not supported"),
        ('input { name: "z" data_type: TYPE_STRING dims: [1] }', "tensor 'z' has TYPE_STRING"),
        ('input { name: "z" data_type: TYPE_FP32 dims: [1] optional: true }', "tensor 'z': reshape"),
    ],
)
def test_configurations_that_are_refused(tmp_path: Path, more: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read(tmp_path, more)


@pytest.mark.parametrize(
    ("inputs", "outputs", "words"),
    [
        ([Port("x", np.dtype(np.float32), (-1, 3))], [Port("y", np.dtype(np.float32), (-1, 2))], None),
        ([Port("x", np.dtype(np.float32), (-1, -1))], [Port("y", np.dtype(np.float32), (-1, -1))], None),
        ([Port("z", np.dtype(np.float32), (-1, 3))], [], "the network has no input 'x'; it has z"),
        ([Port("x", np.dtype(np.float16), (-1, 3))], [], "input 'x' is float16 in the network, float32"),
        ([Port("x", np.dtype(np.float32), (1, 3))], [], r"input 'x' has shape \[1, 3\] in the network"),
        ([Port("x", np.dtype(np.float32), (-1, 3)), Port("w", np.dtype(np.float32), (1,))], [], "'w' is not in"),
    ],
)
def test_a_network_is_compared_with_its_configuration(
    tmp_path: Path, inputs: list[Port], outputs: list[Port], words: str | None
) -> None:
    model = read(tmp_path)
    outputs = outputs or [Port("y", np.dtype(np.float32), (-1, 2))]
    if words is None:
        model.check_network(inputs, outputs)
    else:
        with pytest.raises(ConfigError, match=words):
            model.check_network(inputs, outputs)


def test_a_parameter_with_a_typing_error_is_not_ignored(tmp_path: Path) -> None:
    model = read(tmp_path, 'parameters { key: "THREDS" value { string_value: "2" } }')
    with pytest.raises(ConfigError, match=r"'THREDS' is unknown; accepted are .*THREADS"):
        model.check_parameters({"THREADS", "ROWS_A_PASS"}, {})
    with pytest.raises(ConfigError, match="'THREDS' has no meaning here"):
        model.check_parameters({"THREADS"}, {"THREDS": "has no meaning here"})


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    read(tmp_path)
    (tmp_path / "linear" / "1" / "model.onnx").unlink()
    with pytest.raises(ConfigError, match=r"version 1 of the model has no file model\.onnx"):
        RuntimeModel.from_args(stub.arguments(tmp_path / "linear", CONFIG.format(more="", batch=8)), "model.xml")
