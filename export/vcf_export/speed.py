# SPDX-License-Identifier: Apache-2.0
"""Time each form of the networks on this CPU, beside the fastest float32 matrix product of the same minutes.

Forms are timed in turn, one round after the other, and the fastest round counts: a shared machine slows everything
now and then, and nothing makes it faster than it is.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import openvino
from numpy.typing import NDArray

from vcf_contract.contract import FEATURE_ROWS, LOCATION, PATCH_ENCODER, SEQUENCE_HEAD, SPINAL_CORD_DETECTOR, Model
from vcf_export.runtimes import has_bfloat16
from vcf_export.tensorrt import feature_width

SGEMM_SIDE = 2048
PATCHES = (1, 9, 32)
"""Patches an execution: one, a usual study, and the longest, or studies merged by the batcher."""
SLICES = 16
Feed = dict[str, NDArray[np.float32]]
Run = Callable[[Feed], object]


def measure(repository: Path, rounds: int = 20, *, threads: int = 0) -> dict[str, Any]:
    """Fastest time of each form of encoder, head and detector, and the encoder's layers.

    Parameters
    ----------
    repository
        With ``model.onnx`` and, for int8, ``model.int8.xml``.
    rounds
        Timed rounds after two that are not.
    threads
        0 takes the runtime's own choice.
    """
    rng = np.random.default_rng(0)
    encoder, head = PATCH_ENCODER, SEQUENCE_HEAD
    ways: dict[tuple[str, str, int], tuple[Run, Feed]] = {}
    for form, run in runs(repository, encoder, threads).items():
        for n in PATCHES:
            ways["encoder", form, n] = run, {t.name: rng.random((n, *t.shape), np.float32) for t in encoder.inputs}
    for form, run in runs(repository, SPINAL_CORD_DETECTOR, threads).items():
        (images,) = SPINAL_CORD_DETECTOR.inputs
        ways["detector", form, SLICES] = run, {images.name: rng.random((SLICES, *images.shape), np.float32)}
    rows = {
        FEATURE_ROWS.name: rng.random((9, feature_width(repository)), np.float32),
        LOCATION.name: np.linspace(0, 1, 9, dtype=np.float32),
    }
    for form, run in runs(repository, head, threads).items():
        ways["head", form, 9] = run, rows
    square = rng.random((2, SGEMM_SIDE, SGEMM_SIDE), np.float32)
    best = dict.fromkeys(ways, np.inf)
    sgemm_s = np.inf
    for round_number in range(rounds + 2):
        sgemm_s = min(sgemm_s, _seconds(lambda: square[0] @ square[1]))
        for key, (run, feed) in ways.items():
            seconds = _seconds(lambda run=run, feed=feed: run(feed))  # type: ignore[misc]
            if round_number >= 2:
                best[key] = min(best[key], seconds)
    peak = 2 * SGEMM_SIDE**3 / sgemm_s / 1e9
    work = {name: gflop(repository, m) for name, m in (("encoder", encoder), ("detector", SPINAL_CORD_DETECTOR))}
    table = [
        {
            "network": network,
            "form": form,
            "rows": n,
            "ms": seconds * 1e3,
            "rows_per_s": n / seconds,
            "gflop_per_s": work[network] * n / seconds if network in work else None,
            "share_of_sgemm_peak": work[network] * n / seconds / peak if network in work else None,
        }
        for (network, form, n), seconds in best.items()
    ]
    return {
        "sgemm_peak_gflop_per_s": peak,
        "gflop_per_row": work,
        "rounds": rounds,
        "table": table,
        "encoder_layers": layers(repository, encoder, PATCHES[1], rounds, threads),
    }


def runs(repository: Path, network: Model, threads: int = 0) -> dict[str, Run]:
    """Return every form of a network that is there: what to call with its inputs."""
    folder = repository / network.name / "1"
    graph = folder / "model.onnx"
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    found: dict[str, Run] = {"onnxruntime f32": lambda feed: session.run(None, feed)}
    # Where the processor has no bfloat16, OpenVINO computes in float32 and says nothing.
    for precision in ("f32", "bf16") if has_bfloat16() else ("f32",):
        found[f"openvino {precision}"] = _openvino(graph, precision, threads)
    if (quantised := folder / "model.int8.xml").is_file():
        found["openvino int8"] = _openvino(quantised, "f32", threads)
    return found


def layers(repository: Path, network: Model, rows: int, rounds: int, threads: int = 0) -> list[dict[str, Any]]:
    """Fastest time of each layer of the float32 form as OpenVINO executes it, the slowest layer first."""
    request = _compiled(repository / network.name / "1" / "model.onnx", "f32", threads, PERF_COUNT=True)
    feed = {t.name: np.random.default_rng(0).random((rows, *t.shape), np.float32) for t in network.inputs}
    best: dict[str, tuple[float, str, str]] = {}
    for _ in range(rounds):
        request.infer(feed)
        for layer in request.profiling_info:
            ms = layer.real_time.total_seconds() * 1e3
            if ms and ms < best.get(layer.node_name, (np.inf,))[0]:
                best[layer.node_name] = (ms, layer.node_type, layer.exec_type)
    return [
        {"layer": name, "ms": ms, "type": kind, "kernel": kernel}
        for name, (ms, kind, kernel) in sorted(best.items(), key=lambda item: -item[1][0])
    ]


def gflop(repository: Path, network: Model) -> float:
    """Multiplications and additions of the convolutions, matrix products and LSTM cells, for one row of input.

    A row of the encoder is a patch, and one of the head a patch of a study, with all members and flips.
    """
    model = onnx.load(repository / network.name / "1" / "model.onnx")
    for size in (size for tensor in model.graph.input for size in tensor.type.tensor_type.shape.dim):
        size.dim_value = size.dim_value or 1  # what varies is one row
    model = onnx.shape_inference.infer_shapes(model, data_prop=True)
    weights = {t.name: tuple(t.dims) for t in model.graph.initializer}
    shapes = {
        v.name: [d.dim_value or 1 for d in v.type.tensor_type.shape.dim]
        for v in (*model.graph.value_info, *model.graph.output)
    }
    total = 0
    for node in model.graph.node:
        if node.op_type == "Conv":  # (filters, channels, *kernel), channels first
            total += 2 * int(np.prod(weights[node.input[1]][1:])) * int(np.prod(shapes[node.output[0]]))
        elif node.op_type == "MatMul":
            total += 2 * weights[node.input[1]][0] * int(np.prod(shapes[node.output[0]]))
        elif node.op_type == "ReduceSum":  # of products, one each
            total += 2 * int(np.prod(shapes[node.input[0]]))
        elif node.op_type == "LSTM":  # all gates of all directions, of the input and of the state before
            sequences = shapes[node.input[0]][1]
            total += 2 * sequences * sum(int(np.prod(weights[name])) for name in node.input[1:3])
    return total / 1e9


def text(figures: Mapping[str, Any]) -> str:
    """The table and the layers, for a terminal."""
    lines = [f"fastest of {figures['rounds']} rounds; sgemm peak {figures['sgemm_peak_gflop_per_s']:.0f} GFLOP/s", ""]
    lines.append(f"{'network':<10}{'form':<18}{'rows':>5}{'ms':>10}{'rows/s':>10}{'GFLOP/s':>10}{'of peak':>9}")
    for row in figures["table"]:
        rate = "" if row["gflop_per_s"] is None else f"{row['gflop_per_s']:>10.0f}{row['share_of_sgemm_peak']:>9.0%}"
        lines.append(
            f"{row['network']:<10}{row['form']:<18}{row['rows']:>5}{row['ms']:>10.2f}{row['rows_per_s']:>10.0f}{rate}"
        )
    lines += ["", f"layers of the encoder, openvino f32, {PATCHES[1]} patches", ""]
    whole = sum(layer["ms"] for layer in figures["encoder_layers"])
    for layer in figures["encoder_layers"]:
        if layer["ms"] >= whole / 100:
            lines.append(f"{layer['layer']:<28}{layer['ms']:>8.2f} ms{layer['ms'] / whole:>7.0%}  {layer['kernel']}")
    return "\n".join(lines)


def _compiled(path: Path, precision: str, threads: int, **more: Any) -> Any:
    properties = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": "1", **more}
    if threads:
        properties["INFERENCE_NUM_THREADS"] = threads
    core = openvino.Core()
    return core.compile_model(core.read_model(path), "CPU", properties).create_infer_request()


def _openvino(path: Path, precision: str, threads: int) -> Run:
    request = _compiled(path, precision, threads)
    return lambda feed: request.infer(feed, share_inputs=True)


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
