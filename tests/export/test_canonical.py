# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from vcf_export.canonical import canonical  # noqa: E402

SHAPES = {"x": ("n", 3), "y": ("n", 2)}
WEIGHT = np.arange(6, dtype=np.float32).reshape(3, 2)


def graph(prefix: str, *, shuffled: bool, duplicate: bool = False, opset: int = 17) -> "onnx.ModelProto":
    """y = relu(x W) + relu(x W), spelt in different ways."""
    second = f"{prefix}w2" if duplicate else f"{prefix}w"
    nodes = [
        helper.make_node("MatMul", ["x", f"{prefix}w"], [f"{prefix}a"], name=f"{prefix}n0", doc_string=prefix),
        helper.make_node("MatMul", ["x", second], [f"{prefix}b"], name=f"{prefix}n1"),
        helper.make_node("Relu", [f"{prefix}a"], [f"{prefix}c"]),
        helper.make_node("Relu", [f"{prefix}b"], [f"{prefix}d"]),
        helper.make_node("Add", [f"{prefix}c", f"{prefix}d"], ["y"]),
    ]
    if shuffled:
        nodes = [nodes[i] for i in (1, 3, 0, 2, 4)]
    weights = [numpy_helper.from_array(WEIGHT, f"{prefix}w")]
    if duplicate:
        weights.insert(0, numpy_helper.from_array(WEIGHT, second))
    model = helper.make_model(
        helper.make_graph(
            nodes,
            prefix,
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["unk__1", 3])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["unk__2", 2])],
            weights,
        ),
        producer_name=prefix,
        opset_imports=[helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 2)],
    )
    return model


def spelt(model: "onnx.ModelProto") -> bytes:
    return canonical(model, SHAPES).SerializeToString(deterministic=True)


def test_one_spelling_whatever_the_names_order_and_duplicates() -> None:
    first = spelt(graph("p", shuffled=False))
    assert spelt(graph("other/", shuffled=True)) == first
    assert spelt(graph("q", shuffled=False, duplicate=True)) == first


def test_canonical_is_idempotent_and_keeps_the_function() -> None:
    result = canonical(graph("p", shuffled=True), SHAPES)
    assert spelt(result) == result.SerializeToString(deterministic=True)
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    (y,) = ort.InferenceSession(result.SerializeToString()).run(None, {"x": x})
    np.testing.assert_allclose(y, 2 * np.maximum(x @ WEIGHT, 0), rtol=1e-5)


def test_varying_dimensions_get_their_names() -> None:
    result = canonical(graph("p", shuffled=False), SHAPES)
    dims = [
        [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim]
        for v in (*result.graph.input, *result.graph.output)
    ]
    assert dims == [["n", 3], ["n", 2]]


def test_other_weights_give_other_bytes() -> None:
    model = graph("p", shuffled=False)
    first = spelt(model)
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(WEIGHT + 1, "pw"))
    assert spelt(model) != first


def test_refuses_what_is_not_served() -> None:
    with pytest.raises(ValueError, match=r"opset \{'': 16\}: 17 is needed"):
        spelt(graph("p", shuffled=False, opset=16))
    with pytest.raises(ValueError, match=r"\['x', 'y'\]: \['x', 'z'\] are needed"):
        canonical(graph("p", shuffled=False), {"x": ("n", 3), "z": ("n", 2)})
    foreign = graph("p", shuffled=False)
    foreign.graph.node[0].domain = "com.microsoft"
    with pytest.raises(ValueError, match="MatMul of domain"):
        spelt(foreign)
    looping = graph("p", shuffled=False)
    looping.graph.node[2].attribute.append(helper.make_attribute("body", helper.make_graph([], "b", [], [])))
    with pytest.raises(ValueError, match="Relu holds a subgraph"):
        spelt(looping)
