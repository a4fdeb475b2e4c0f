# SPDX-License-Identifier: Apache-2.0
"""Requests as protobuf and ``tritonclient`` read them, and answers as Triton writes them."""

from typing import Any

import numpy as np
import pytest
from tritonclient.grpc import service_pb2 as kserve
from tritonclient.utils import deserialize_bytes_tensor, serialize_byte_tensor

from vcf_client import message
from vcf_client.message import InRegion, prepare, read_answer
from vcf_contract.contract import DICOM_FILES, FLAGS, PATIENT_AFFINE, SPACING_MM, STUDY_SCORE, VOLUME
from vcf_contract.errors import Code, ServerFailed, StudyRefused


def parsed(request: bytes) -> Any:
    return kserve.ModelInferRequest.FromString(request)


def test_tensors_arrive_as_they_are() -> None:
    hu = np.arange(-60, 60, dtype=np.int16).reshape(4, 5, 6)
    affine = np.linspace(0, 1, 16).reshape(4, 4)
    found = parsed(prepare("vcf", "k1", [(VOLUME, hu), (PATIENT_AFFINE, affine)]))
    assert (found.model_name, found.id, len(found.parameters)) == ("vcf", "k1", 0)
    assert [(i.name, i.datatype, list(i.shape)) for i in found.inputs] == [
        ("volume", "INT16", [4, 5, 6]),
        ("patient_affine", "FP64", [4, 4]),
    ]
    np.testing.assert_array_equal(np.frombuffer(found.raw_input_contents[0], "<i2").reshape(4, 5, 6), hu)
    np.testing.assert_array_equal(np.frombuffer(found.raw_input_contents[1], "<f8").reshape(4, 4), affine)


@pytest.mark.parametrize("view", [np.s_[::2], np.s_[:, ::-1], np.s_[..., 1:3]])
def test_a_view_is_sent_as_the_array_it_shows(view: Any) -> None:
    hu = np.random.default_rng(1).integers(-1000, 1000, (6, 7, 8)).astype(np.int16)
    found = parsed(prepare("vcf", "", [(VOLUME, hu[view])]))
    np.testing.assert_array_equal(np.frombuffer(found.raw_input_contents[0], "<i2").reshape(hu[view].shape), hu[view])


@pytest.mark.parametrize("length", [0, 1, 127, 128, 16_383, 16_384, 2_097_152])
def test_lengths_of_every_width(length: int) -> None:
    """Base 128 integers grow by a byte at each power of 128."""
    found = parsed(prepare("vcf", "", [(VOLUME, np.ones((1, 1, length // 2), np.int16)), (SPACING_MM, np.ones(3))]))
    assert [len(raw) for raw in found.raw_input_contents] == [length // 2 * 2, 12]


def test_files_are_what_tritonclient_makes_of_them() -> None:
    files = [b"", b"DICM" * 100, bytes(range(256))]
    found = parsed(prepare("vcf_dicom", "", [(DICOM_FILES, files)], parameters={"age_policy": "block"}))
    assert list(found.inputs[0].shape) == [3]
    assert found.raw_input_contents[0] == serialize_byte_tensor(np.array(files, object)).item()
    assert deserialize_bytes_tensor(found.raw_input_contents[0]).tolist() == files
    assert found.parameters["age_policy"].string_param == "block"


def test_what_lies_in_shared_memory_is_named_and_not_sent() -> None:
    found = parsed(prepare("vcf", "", [(VOLUME, InRegion((4, 5, 6), "vcf-1-a", 240)), (SPACING_MM, np.ones(3))]))
    parameters = found.inputs[0].parameters
    assert parameters["shared_memory_region"].string_param == "vcf-1-a"
    assert parameters["shared_memory_byte_size"].int64_param == 240
    assert list(found.inputs[0].shape) == [4, 5, 6] and len(found.raw_input_contents) == 1


@pytest.mark.parametrize(("budget_s", "microseconds"), [(2.5, 2_500_000), (1e-9, 1), (-3.0, 1)])
def test_a_budget_is_never_nothing(budget_s: float, microseconds: int) -> None:
    """Triton takes 0 for no limit at all."""
    found = parsed(prepare("vcf", "k1", [(SPACING_MM, np.ones(3))], budget_s=budget_s))
    assert found.parameters["timeout"].int64_param == microseconds


def test_a_volume_beyond_a_message_is_refused_before_it_is_copied() -> None:
    whole = np.broadcast_to(np.int16(0), (4096, 512, 512))  # 2 GiB of which two bytes are in memory
    with pytest.raises(StudyRefused, match=r"2\.0 GiB") as refused:
        prepare("vcf", "", [(VOLUME, whole)])
    assert refused.value.code == Code.TOO_LARGE


def response(name: str, datatype: str, shape: list[int], raw: bytes) -> Any:
    made = kserve.ModelInferResponse(model_version="7")
    made.outputs.add(name=name, datatype=datatype, shape=shape)
    made.raw_output_contents.append(raw)
    return made


def test_an_answer_is_read() -> None:
    scores = read_answer(response("study_score", "FP32", [1], np.float32(0.75).tobytes()))
    assert scores.model_version == "7" and scores.tensor(STUDY_SCORE).tolist() == [0.75]
    flags = serialize_byte_tensor(np.array([b"METAL", b""], object)).item()
    assert read_answer(response("flags", "BYTES", [2], flags)).tensor(FLAGS).tolist() == [b"METAL", b""]


@pytest.mark.parametrize(
    ("datatype", "shape", "raw"),
    [
        ("FP32", [2], bytes(7)),
        ("FP32", [3], bytes(8)),
        ("UINT7", [1], bytes(4)),
        ("BYTES", [1], b"\x05\0\0\0abc"),
        ("BYTES", [1], b"\x05\0"),
        ("BYTES", [2], b"\x01\0\0\0a"),
        ("BYTES", [1], b"\xff\xff\xff\xff"),
    ],
)
def test_bytes_that_do_not_make_up_a_tensor(datatype: str, shape: list[int], raw: bytes) -> None:
    with pytest.raises(ServerFailed, match=f"tensor x of the answer, {datatype} .* came with {len(raw)} bytes"):
        read_answer(response("x", datatype, shape, raw))


def test_a_tensor_of_another_shape_than_the_contracts() -> None:
    found = {"study_score": np.zeros((1, 2), np.float32)}
    with pytest.raises(ServerFailed, match=r"study_score of the answer has shape \(1, 2\), not \(1,\)"):
        message.checked(found, STUDY_SCORE)
    with pytest.raises(ServerFailed, match="no tensor flags, it has study_score"):
        message.checked(found, FLAGS)
