# SPDX-License-Identifier: Apache-2.0
"""One spelling for an ONNX graph, so that a hash of the file identifies the network.

Converters number tensors and order nodes as they please: the same weights converted twice give different bytes.
``canonical`` orders nodes by a walk from the outputs, names tensors after that order, merges equal constants,
sorts attributes and drops what carries no meaning for inference (producer, documentation, metadata).
"""

from collections.abc import Mapping, Sequence

import onnx
from onnx import helper, numpy_helper

OPSET = 17
IR_VERSION = 8
"""The format version that ONNX released together with opset 17; old runtimes read it."""
Dim = int | str


def canonical(model: onnx.ModelProto, shapes: Mapping[str, Sequence[Dim]]) -> onnx.ModelProto:
    """Return the same graph in canonical form.

    Parameters
    ----------
    model
        Opset 17, no subgraphs (a Loop or If here means that the conversion went wrong).
    shapes
        Of every graph input and output, by name, in the order they shall have; a string names a
        dimension that varies.

    Raises
    ------
    ValueError
        A wrong opset, an operator outside ONNX's own domain, a subgraph, or inputs and outputs
        other than those in ``shapes``.
    """
    opsets = {o.domain: o.version for o in model.opset_import if o.domain in ("", "ai.onnx")}
    if list(opsets.values()) != [OPSET]:
        raise ValueError(f"opset {opsets}: {OPSET} is needed")
    graph = model.graph
    constants = {t.name: t for t in graph.initializer}
    maker: dict[str, onnx.NodeProto] = {}
    for node in graph.node:
        if node.domain not in ("", "ai.onnx"):
            raise ValueError(f"{node.op_type} of domain {node.domain!r}: only ONNX's own operators are served")
        if any(a.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS) for a in node.attribute):
            raise ValueError(f"{node.op_type} holds a subgraph: neither OpenVINO nor TensorRT takes it well")
        if node.op_type == "Constant":
            constants[node.output[0]] = _constant_value(node)
            continue
        maker.update({output: node for output in node.output if output})

    free_inputs = [i for i in graph.input if i.name not in constants]
    outside = {v.name for v in (*free_inputs, *graph.output)}
    if outside != set(shapes):
        raise ValueError(f"inputs and outputs {sorted(outside)}: {sorted(shapes)} are needed")

    nodes: list[onnx.NodeProto] = []
    for name in (n for n in shapes if n in {o.name for o in graph.output}):
        _walk(name, maker, nodes)

    renamed = {name: name for name in outside}
    initializers: dict[bytes, onnx.TensorProto] = {}
    ordered: list[onnx.NodeProto] = []
    for number, node in enumerate(nodes):
        for name in node.input:
            if name in constants and name not in renamed:
                renamed[name] = _merge(constants[name], initializers)
        for slot, name in enumerate(node.output):
            if name and name not in renamed:
                renamed[name] = f"{node.op_type.lower()}_{number}" + (f"_{slot}" if slot else "")
        fresh = helper.make_node(
            node.op_type, [renamed[n] if n else "" for n in node.input], [renamed[n] if n else "" for n in node.output]
        )
        fresh.name = f"{node.op_type.lower()}_{number}"
        fresh.attribute.extend(sorted(map(_undocumented, node.attribute), key=lambda a: a.name))
        ordered.append(fresh)

    def declared(values: Sequence[onnx.ValueInfoProto]) -> list[onnx.ValueInfoProto]:
        types = {v.name: v.type.tensor_type.elem_type for v in values}
        return [helper.make_tensor_value_info(n, types[n], list(shapes[n])) for n in shapes if n in types]

    result = helper.make_model(
        helper.make_graph(
            ordered, "network", declared(free_inputs), declared(graph.output), list(initializers.values())
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    result.ir_version = IR_VERSION
    result.producer_name = result.producer_version = ""
    onnx.checker.check_model(result, full_check=True)
    return result


def _walk(output: str, maker: Mapping[str, onnx.NodeProto], nodes: list[onnx.NodeProto]) -> None:
    """Append what ``output`` depends on, inputs before users, each node once; depth first, no recursion limit."""
    done = {id(n) for n in nodes}
    stack = [(output, False)]
    while stack:
        name, inputs_done = stack.pop()
        node = maker.get(name)
        if node is None or id(node) in done:
            continue
        if inputs_done:
            nodes.append(node)
            done.add(id(node))
        else:
            stack.append((name, True))
            stack.extend((i, False) for i in reversed(node.input))


def _constant_value(node: onnx.NodeProto) -> onnx.TensorProto:
    (attribute,) = node.attribute
    if attribute.name != "value":
        raise ValueError(f"Constant with attribute {attribute.name!r}: 'value' is needed")
    return attribute.t


def _merge(tensor: onnx.TensorProto, initializers: dict[bytes, onnx.TensorProto]) -> str:
    """Name under which the tensor's content is stored; equal contents share one."""
    stored = numpy_helper.from_array(numpy_helper.to_array(tensor))
    key = stored.SerializeToString(deterministic=True)
    if key not in initializers:
        stored.name = f"constant_{len(initializers)}"
        initializers[key] = stored
    name: str = initializers[key].name
    return name


def _undocumented(attribute: onnx.AttributeProto) -> onnx.AttributeProto:
    plain = onnx.AttributeProto()
    plain.CopyFrom(attribute)
    plain.doc_string = ""
    return plain
