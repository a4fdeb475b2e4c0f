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

from vcf_contract.contract import NETWORKS, PATCH_ENCODER, PATCHES, SEQUENCE_HEAD, SPINAL_CORD_DETECTOR, Model
from vcf_contract.errors import SetupError
from vcf_export.precision import to_fp16, to_int8
from vcf_export.profiles import profiles
from vcf_export.tensorrt import build, feature_width, load_api, unsupported

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "model_repository"
MADE = ROOT / "build" / "variants"
"""Where ``make test-tensorrt`` has written the graphs of ``tests/random_members.py``."""
OF_VARIANTS = sorted(folder for folder in MADE.glob("*") if folder.is_dir())
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
    print("\n" + "\n".join(lines))


def graph(network: Model, repository: Path = SHIPPED) -> Path:
    path = repository / network.name / "1" / "model.onnx"
    if not path.is_file():
        pytest.fail(f"no {network.name}/1/model.onnx in {repository.name}: run `vcf export onnx` first")
    return path


def operators(trt: Any, path: Path) -> str:
    """What the graph is made of; fails where TensorRT does not know one of them."""
    found = Counter(node.op_type for node in onnx.load(path).graph.node)
    assert unsupported(trt, found) == []
    return ", ".join(f"{n} {name}" for name, n in sorted(found.items()))


@pytest.mark.parametrize("network", NETWORKS, ids=lambda m: m.name)
def test_every_operator_is_supported(trt: Any, report: list[str], network: Model) -> None:
    report.append(f"shipped {network.name}: {operators(trt, graph(network))}; unsupported: none")


@pytest.mark.parametrize("capability", CAPABILITIES)
@pytest.mark.parametrize("network", NETWORKS, ids=lambda m: m.name)
def test_builds_with_our_profiles(trt: Any, report: list[str], network: Model, capability: str) -> None:
    wanted = profiles(network, feature_width(SHIPPED))
    engine = build(trt, graph(network), wanted, compute_capability=capability)
    report.append(f"shipped {network.name} fp32 {capability}: engine of {len(engine)} bytes")
    assert len(engine) > 50_000


def test_there_is_a_graph_of_every_variant() -> None:
    """``make test-tensorrt`` writes them; the names are those of the ablation."""
    from vcf_training.architecture import VARIANTS

    assert {f"variant-{name}" for name in VARIANTS} < {folder.name for folder in OF_VARIANTS}


@pytest.mark.parametrize("network", [PATCH_ENCODER, SEQUENCE_HEAD], ids=lambda m: m.name)
@pytest.mark.parametrize("repository", OF_VARIANTS, ids=lambda folder: folder.name)
def test_every_variant_builds(trt: Any, report: list[str], repository: Path, network: Model) -> None:
    """Alone, and in ensembles of several grids and windows; the detector is the same for all."""
    path = graph(network, repository)
    made_of = operators(trt, path)
    engine = build(trt, path, profiles(network, feature_width(repository)), compute_capability="SM86")
    report.append(f"{repository.name} {network.name} fp32 SM86: engine of {len(engine)} bytes: {made_of}")
    assert len(engine) > 10_000


@pytest.mark.parametrize("capability", CAPABILITIES)
@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_the_reduced_encoder_builds(
    trt: Any, report: list[str], tmp_path: Path, precision: str, capability: str
) -> None:
    """Precision in the graph; the values of the calibration do not matter here."""
    path = reduced(graph(PATCH_ENCODER), tmp_path, precision)
    operators(trt, path)
    engine = build(trt, path, profiles(PATCH_ENCODER, feature_width(SHIPPED)), compute_capability=capability)
    report.append(f"shipped {PATCH_ENCODER.name} {precision} {capability}: engine of {len(engine)} bytes")


@pytest.mark.parametrize("precision", ["fp16", "int8"])
@pytest.mark.parametrize("repository", [r for r in OF_VARIANTS if r.name.startswith("ensemble")], ids=lambda r: r.name)
def test_reduced_encoders_of_mixed_members_build(
    trt: Any, report: list[str], tmp_path: Path, precision: str, repository: Path
) -> None:
    path = reduced(graph(PATCH_ENCODER, repository), tmp_path, precision)
    operators(trt, path)
    engine = build(trt, path, profiles(PATCH_ENCODER, feature_width(repository)), compute_capability="SM86")
    report.append(f"{repository.name} {PATCH_ENCODER.name} {precision} SM86: engine of {len(engine)} bytes")


def reduced(path: Path, folder: Path, precision: str) -> Path:
    plain = onnx.load(path)
    noise = np.random.default_rng(0).random((4, *PATCHES.shape[1:]), np.float32)
    made = to_fp16(plain) if precision == "fp16" else to_int8(plain, noise)
    target = folder / PATCH_ENCODER.name / "1" / f"model.{precision}.onnx"
    target.parent.mkdir(parents=True)
    onnx.save(made, target)
    return target


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
    wrong = profiles(SPINAL_CORD_DETECTOR, feature_width(SHIPPED))
    with pytest.raises((SetupError, RuntimeError)):
        build(trt, graph(PATCH_ENCODER), wrong, compute_capability="SM86")


def test_profile_for_other_members_builds_nothing(trt: Any) -> None:
    """A plan is for the members whose weights are in the graph."""
    with pytest.raises((SetupError, RuntimeError)):
        build(trt, graph(SEQUENCE_HEAD), profiles(SEQUENCE_HEAD, feature_width(SHIPPED) + 1), compute_capability="SM86")
