# SPDX-License-Identifier: Apache-2.0
"""The plan builder through a real NVIDIA parser and builder: TensorRT for RTX needs no GPU and no driver to build.

``make test-tensorrt`` runs this in an environment of its own. Its engines are not TensorRT's: what is proven is that
the graphs parse, that every operator is known, and that our profiles build, for GPUs that are not here.
"""

import importlib.util
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

if importlib.util.find_spec("tensorrt_rtx_bindings") is None:
    pytest.skip("TensorRT for RTX is not installed (`make test-tensorrt` installs it)", allow_module_level=True)

import onnx
from onnx import TensorProto, helper

from export.precision import to_fp16, to_int8
from export.profiles import profiles
from export.tensorrt import build, load_api, unsupported
from vcf.contract import ENCODERS, HEADS, NETWORKS, PATCHES, SPINAL_CORD_DETECTOR
from vcf.errors import SetupError

REPOSITORY = Path(__file__).resolve().parents[2] / "model_repository"
CAPABILITIES = ("SM80", "SM86", "SM89", "SM120")
"""A100; A10, RTX 30; L4, RTX 40; RTX 50. TensorRT for RTX has no SM90, and its SM75 convolves no fp32 volumes."""


@pytest.fixture(scope="session")
def trt() -> Any:
    return load_api("tensorrt_rtx_bindings")


@pytest.fixture(scope="module")
def report() -> Iterator[list[str]]:
    """Printed at the end of the run: what was built, and of which operators."""
    lines: list[str] = []
    yield lines
    print("\n" + "\n".join(sorted(lines)))


def graph(network: str) -> Path:
    path = REPOSITORY / network / "1" / "model.onnx"
    if not path.is_file():
        pytest.fail(f"no {network}/1/model.onnx: run `vcf export onnx` first")
    return path


@pytest.mark.parametrize("network", NETWORKS, ids=lambda m: m.name)
def test_every_operator_is_supported(trt: Any, report: list[str], network: Any) -> None:
    operators = Counter(node.op_type for node in onnx.load(graph(network.name)).graph.node)
    refused = unsupported(trt, operators)
    counted = ", ".join(f"{n} {name}" for name, n in sorted(operators.items()))
    report.append(f"{network.name}: {counted}; unsupported: {', '.join(refused) or 'none'}")
    assert refused == []


@pytest.mark.parametrize("capability", CAPABILITIES)
@pytest.mark.parametrize("network", [SPINAL_CORD_DETECTOR, ENCODERS[0], HEADS[0]], ids=lambda m: m.name)
def test_builds_with_our_profiles(trt: Any, report: list[str], network: Any, capability: str) -> None:
    engine = build(trt, graph(network.name), profiles(network), compute_capability=capability)
    report.append(f"{network.name} fp32 {capability}: engine of {len(engine)} bytes")
    assert len(engine) > 50_000


@pytest.mark.parametrize("network", [*ENCODERS[1:], *HEADS[1:]], ids=lambda m: m.name)
def test_other_members_build_too(trt: Any, network: Any) -> None:
    assert build(trt, graph(network.name), profiles(network), compute_capability="SM86")


@pytest.mark.parametrize("capability", CAPABILITIES)
@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_reduced_encoders_build(trt: Any, report: list[str], tmp_path: Path, precision: str, capability: str) -> None:
    """Precision in the graph; the values of the calibration do not matter here."""
    plain = onnx.load(graph(ENCODERS[0].name))
    noise = np.random.default_rng(0).random((4, *PATCHES.shape[1:]), np.float32)
    reduced = to_fp16(plain) if precision == "fp16" else to_int8(plain, noise)
    path = tmp_path / ENCODERS[0].name / "1" / f"model.{precision}.onnx"
    path.parent.mkdir(parents=True)
    onnx.save(reduced, path)
    assert unsupported(trt, {node.op_type for node in reduced.graph.node}) == []
    engine = build(trt, path, profiles(ENCODERS[0]), compute_capability=capability)
    report.append(f"{ENCODERS[0].name} {precision} {capability}: engine of {len(engine)} bytes")


def odd_graph(path: Path) -> Path:
    """Holds an operator that TensorRT has not."""
    patches = helper.make_tensor_value_info("x", TensorProto.FLOAT, [8])
    values = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])
    node = helper.make_node("Unique", ["x"], ["y"])
    model = helper.make_model(
        helper.make_graph([node], "odd", [patches], [values]),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    path.parent.mkdir(parents=True)
    onnx.save(model, path)
    return path


def test_unsupported_operator_is_named(trt: Any, tmp_path: Path) -> None:
    path = odd_graph(tmp_path / "odd" / "1" / "model.onnx")
    assert unsupported(trt, ["Unique", "Conv"]) == ["Unique"]
    with pytest.raises(SetupError, match=r"cannot parse odd/1/model\.onnx: operator Unique: "):
        build(trt, path, {}, compute_capability="SM86")


def test_profile_of_a_wrong_shape_builds_nothing(trt: Any) -> None:
    """The gate would notice a profile that does not fit the graph."""
    wrong = profiles(SPINAL_CORD_DETECTOR)
    with pytest.raises((SetupError, RuntimeError)):
        build(trt, graph(ENCODERS[0].name), wrong, compute_capability="SM86")
