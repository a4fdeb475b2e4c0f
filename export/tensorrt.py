# SPDX-License-Identifier: Apache-2.0
"""ONNX → TensorRT plan, on the machine and GPU that will serve it.

A plan runs only under the TensorRT version and on the GPU architecture that built it, so plans are never shipped.
Networks are strongly typed (the only kind from TensorRT 11 on): precision is what the ONNX graph says.
"""

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from preprocess.spec import MAX_PATCHES
from vcf.contract import FEATURE_ROWS, FEATURES, FLIPS, LOCATION, NETWORKS, SPINAL_CORD_DETECTOR, Model
from vcf.errors import SetupError

TYPICAL_PATCHES = 9
"""T1–L5 is about 420 mm: nine patches of 48 mm."""
TYPICAL_SLICES = 16
"""A scan of 450 mm, one slice every 30 mm, and the last."""
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Profile:
    """Smallest, most likely and largest shape of one input."""

    least: Shape
    best: Shape
    most: Shape


def profiles(network: Model) -> dict[str, Profile]:
    """Optimisation profile of every input, from the contract's batching."""
    if not network.max_batch_size:
        flips = len(FLIPS)
        counts = (1, TYPICAL_PATCHES, MAX_PATCHES)
        return {
            FEATURE_ROWS.name: Profile(*((flips * k, FEATURES) for k in counts)),
            LOCATION.name: Profile(*((k,) for k in counts)),
        }
    (tensor,) = network.inputs
    typical = TYPICAL_SLICES if network is SPINAL_CORD_DETECTOR else TYPICAL_PATCHES * len(FLIPS)
    return {tensor.name: Profile(*((n, *tensor.shape) for n in (1, typical, network.max_batch_size)))}


def trtexec_commands(repository: Path) -> list[str]:
    """One ``trtexec`` line a network that builds the same plan."""

    def spelt(shapes: Mapping[str, Shape]) -> str:
        return ",".join(f"{name}:{'x'.join(map(str, shape))}" for name, shape in shapes.items())

    lines = []
    for network, onnx, plan in _files(repository):
        wanted = profiles(network)
        lines.append(
            f"trtexec --onnx={onnx} --saveEngine={plan} --stronglyTyped"
            f" --minShapes={spelt({n: p.least for n, p in wanted.items()})}"
            f" --optShapes={spelt({n: p.best for n, p in wanted.items()})}"
            f" --maxShapes={spelt({n: p.most for n, p in wanted.items()})}"
        )
    return lines


def build_plans(repository: Path, *, timing_cache: Path | None = None, module: str = "tensorrt") -> Iterator[Path]:
    """Build ``model.plan`` beside every ``model.onnx``; yields each path when it is written.

    Args:
        repository: model repository that holds every network's ``model.onnx``.
        timing_cache: kernel timings of earlier builds; read if it exists, written after each plan.
        module: Python module with TensorRT's API.

    Raises:
        SetupError: TensorRT is not installed, a network's file is missing, or TensorRT refuses a graph.
    """
    try:
        trt: Any = importlib.import_module(module)
    except ImportError:
        raise SetupError(
            f"Python module {module} is not installed: build plans on a GPU host, inside NVIDIA's Triton or TensorRT "
            "container, or print the trtexec commands with `vcf export tensorrt --trtexec`"
        ) from None
    for network, onnx, plan in _files(repository):
        content = _build(trt, onnx, profiles(network), timing_cache)
        fresh = plan.with_suffix(".plan.part")
        fresh.write_bytes(content)
        fresh.replace(plan)
        yield plan


def _files(repository: Path) -> Iterator[tuple[Model, Path, Path]]:
    for network in NETWORKS:
        onnx = repository / network.name / "1" / "model.onnx"
        if not onnx.is_file():
            raise SetupError(f"no {network.name}/1/model.onnx in {repository}: run `vcf export onnx` first")
        yield network, onnx, onnx.with_name("model.plan")


def _build(trt: Any, onnx: Path, wanted: Mapping[str, Profile], timing_cache: Path | None) -> bytes:
    logger = trt.Logger(trt.Logger.WARNING)
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(str(onnx)):
        reasons = "; ".join(parser.get_error(i).desc() for i in range(parser.num_errors))
        raise SetupError(f"TensorRT cannot parse {onnx.parent.parent.name}: {reasons}")
    config = builder.create_builder_config()
    profile = builder.create_optimization_profile()
    for name, shapes in wanted.items():
        profile.set_shape(name, shapes.least, shapes.best, shapes.most)
    config.add_optimization_profile(profile)
    if timing_cache is not None:
        cache = config.create_timing_cache(timing_cache.read_bytes() if timing_cache.is_file() else b"")
        config.set_timing_cache(cache, ignore_mismatch=False)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise SetupError(f"TensorRT built no plan of {onnx.parent.parent.name}: its log above says why")
    if timing_cache is not None:
        timing_cache.write_bytes(bytes(config.get_timing_cache().serialize()))
    return bytes(plan)
