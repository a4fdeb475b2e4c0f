# SPDX-License-Identifier: Apache-2.0
"""What ships: files as their passports say, tensors as the configurations and the contract say."""

from pathlib import Path

import pytest

onnx = pytest.importorskip("onnx")

from vcf_contract.contract import NETWORKS, PATCH_ENCODER, Model, Tensor  # noqa: E402
from vcf_export.config import CPU, CPU_INT8, FORMS, GPU, network_runtime  # noqa: E402
from vcf_export.shapes import exported_shapes  # noqa: E402
from vcf_server import passport, repository  # noqa: E402

REPOSITORY = Path(__file__).resolve().parents[2] / "model_repository"
TYPES = {"FP32": onnx.TensorProto.FLOAT, "INT32": onnx.TensorProto.INT32}


@pytest.fixture(autouse=True)
def exported() -> None:
    if not (REPOSITORY / "patch_encoder" / "1" / "model.onnx").is_file():
        pytest.skip("the networks are not exported: vcf export onnx")


@pytest.mark.parametrize("form", [form for form in FORMS if form != GPU])
def test_every_file_of_a_form_fits_its_passport(form: str) -> None:
    files = repository.network_files(REPOSITORY, form)
    assert files == {network.name: network_runtime(network, form).file_name for network in NETWORKS}
    assert passport.problems(REPOSITORY, files) == {}
    for network, name in files.items():
        entry = passport.read(REPOSITORY / network / "1")[name]
        assert len(entry["weights_sha256"]) == 64


@pytest.mark.parametrize("network", NETWORKS, ids=lambda m: m.name)
def test_tensors_of_a_graph_are_the_configurations(network: Model) -> None:
    graph = onnx.load(REPOSITORY / network.name / "1" / "model.onnx").graph
    for tensors, found in ((network.inputs, graph.input), (network.outputs, graph.output)):
        assert [(t.name, TYPES[t.dtype], shape_of(t, network)) for t in tensors] == [
            (f.name, f.type.tensor_type.elem_type, [d.dim_value or -1 for d in f.type.tensor_type.shape.dim])
            for f in found
        ]


def shape_of(tensor: Tensor, network: Model) -> list[int]:
    own = exported_shapes(REPOSITORY)[network.name, tensor.name]
    return [-1, *own] if network.max_batch_size else list(own)


def test_the_reduced_encoder_has_the_weights_of_the_float32_one() -> None:
    entries = passport.read(REPOSITORY / PATCH_ENCODER.name / "1")
    plain, reduced = (entries[network_runtime(PATCH_ENCODER, form).file_name] for form in (CPU, CPU_INT8))
    assert reduced["onnx_sha256"] == plain["sha256"]
    assert reduced["weights_sha256"] == plain["weights_sha256"]
    assert reduced["parity"]["passed"] is True
