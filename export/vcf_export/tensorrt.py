# SPDX-License-Identifier: Apache-2.0
"""ONNX → TensorRT plan, on the machine and GPU that will serve it.

A plan runs only under the TensorRT version and on the GPU architecture that built it, so plans are never shipped.
Networks are strongly typed (the only kind from TensorRT 11 on): precision is what the ONNX graph says, and
``vcf_export.precision`` writes it there. TensorRT for RTX has the same API under another name, with one call more: it
builds for GPUs that are not there. ``make test-tensorrt`` drives this module through it.

API: https://docs.nvidia.com/deeplearning/tensorrt/latest/_static/python-api/
"""

import importlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from vcf_contract.contract import FEATURE_ROWS, NETWORKS, PATCH_ENCODER, Model
from vcf_contract.errors import SetupError
from vcf_export.passport_writer import record_plan
from vcf_export.profiles import Profile, Shape, profiles
from vcf_export.shapes import exported_shapes
from vcf_server.passport import ONNX, PLAN, SAME_CAPABILITY, THIS_MODEL, Host, this_host

PRECISIONS = ("fp32", "fp16", "int8")
CONTAINER = "inside NVIDIA's Triton or TensorRT container (`docker-compose run --rm plans`)"


def source(folder: Path, network: Model, precision: str) -> Path:
    """The graph that a plan of this precision is built from.

    Only the encoder is ever reduced: a box of the detector that moves moves every patch, and the head takes no time.
    """
    reduced = network is PATCH_ENCODER and precision != PRECISIONS[0]
    return folder / (f"model.{precision}.onnx" if reduced else ONNX)


def trtexec_commands(
    repository: Path,
    *,
    precision: str = PRECISIONS[0],
    timing_cache: Path | None = None,
    hardware_compatibility: str = THIS_MODEL,
) -> list[str]:
    """Return one ``trtexec`` line a network that builds the same plan."""

    def spelt(shapes: Mapping[str, Shape]) -> str:
        return ",".join(f"{name}:{'x'.join(map(str, shape))}" for name, shape in shapes.items())

    lines, features = [], feature_width(repository)
    for network, onnx, plan in _files(repository, precision, NETWORKS):
        wanted = profiles(network, features)
        lines.append(
            f"trtexec --onnx={onnx} --saveEngine={plan} --stronglyTyped --noTF32 --skipInference"
            f" --minShapes={spelt({n: p.least for n, p in wanted.items()})}"
            f" --optShapes={spelt({n: p.best for n, p in wanted.items()})}"
            f" --maxShapes={spelt({n: p.most for n, p in wanted.items()})}"
            + (f" --timingCacheFile={timing_cache}" if timing_cache else "")
            + (f" --hardwareCompatibilityLevel={hardware_compatibility}" * (hardware_compatibility != THIS_MODEL))
        )
    return lines


def record_plans(
    repository: Path,
    *,
    precision: str = PRECISIONS[0],
    host: Host | None = None,
    hardware_compatibility: str = THIS_MODEL,
) -> list[Path]:
    """Write the passports of plans that ``trtexec`` has just built on this machine; their paths."""
    host = host or this_host()
    plans, features = [], feature_width(repository)
    for network, _, plan in _files(repository, precision, NETWORKS):
        if not plan.is_file():
            raise SetupError(f"no {network.name}/1/{PLAN} in {repository}: run the commands of --trtexec first")
        shapes = _plain(profiles(network, features))
        record_plan(plan, host, _precision_of(network, precision), shapes, hardware_compatibility)
        plans.append(plan)
    return plans


def build_plans(
    repository: Path,
    *,
    precision: str = PRECISIONS[0],
    timing_cache: Path | None = None,
    module: str = "tensorrt",
    only: Collection[str] = (),
    host: Host | None = None,
    hardware_compatibility: str = THIS_MODEL,
) -> Iterator[Path]:
    """Build ``model.plan`` with its passport beside every ``model.onnx``; yields each path when it is written.

    Parameters
    ----------
    repository
        Model repository that holds every network's ``model.onnx``.
    precision
        fp32, or what ``vcf_export.precision`` has written: fp16, int8.
    timing_cache
        Kernel timings of earlier builds; read if it exists, written after each plan.
    module
        Python module with TensorRT's API.
    only
        Names of the networks to build; all if empty.
    hardware_compatibility
        One of ``vcf_server.passport.COMPATIBILITIES``.

    Raises
    ------
    SetupError
        TensorRT is not installed, a network's file is missing, or TensorRT refuses a graph.
    """
    trt = load_api(module)
    host = host or this_host()
    host = Host(host.gpu, host.tensorrt or getattr(trt, "__version__", None), host.cuda)
    wanted = [network for network in NETWORKS if not only or network.name in only]
    features = feature_width(repository)
    for network, onnx, plan in _files(repository, precision, wanted):
        wanted_shapes = profiles(network, features)
        content = build(
            trt, onnx, wanted_shapes, timing_cache=timing_cache, hardware_compatibility=hardware_compatibility
        )
        fresh = plan.with_suffix(".plan.part")
        fresh.write_bytes(content)
        fresh.replace(plan)
        record_plan(plan, host, _precision_of(network, precision), _plain(wanted_shapes), hardware_compatibility)
        yield plan


def feature_width(repository: Path) -> int:
    """Return how many numbers the repository's encoder gives of a patch: all members and flips together.

    Raises
    ------
    SetupError
        Its passport does not say, so nothing was exported.
    """
    (width,) = exported_shapes(repository).get((PATCH_ENCODER.name, FEATURE_ROWS.name), (-1,))
    if width < 1:
        raise SetupError(
            f"no {PATCH_ENCODER.name}/1/{ONNX} with a passport in {repository}: run `vcf export onnx` first"
        )
    return width


def load_api(module: str = "tensorrt") -> Any:
    """TensorRT's Python module."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise SetupError(
            f"Python module {module} is not installed: build plans on a GPU host, {CONTAINER}, or print the trtexec "
            "commands with `vcf export plan --trtexec`"
        ) from None


def unsupported(trt: Any, operators: Collection[str]) -> list[str]:
    """Return those of ONNX's operators that the parser does not know at all, by name."""
    logger = trt.Logger(trt.Logger.ERROR)
    parser = trt.OnnxParser(trt.Builder(logger).create_network(_strongly_typed(trt)), logger)
    return sorted(name for name in set(operators) if not parser.supports_operator(name))


def build(
    trt: Any,
    onnx: Path,
    wanted: Mapping[str, Profile],
    *,
    timing_cache: Path | None = None,
    compute_capability: str | None = None,
    hardware_compatibility: str = THIS_MODEL,
) -> bytes:
    """Return one serialised engine.

    Parameters
    ----------
    trt
        Module with TensorRT's API.
    compute_capability
        TensorRT for RTX alone: a member of its ``ComputeCapability``, for a GPU that need not be
        there. Otherwise the engine is for the GPU of this machine.

    Raises
    ------
    SetupError
        With the operators that are at fault, or that no engine came out.
    """
    name = onnx.parent.parent.name
    logger = trt.Logger(trt.Logger.WARNING)
    builder = trt.Builder(logger)
    network = builder.create_network(_strongly_typed(trt))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(str(onnx)):
        errors = [parser.get_error(i) for i in range(parser.num_errors)]
        raise SetupError(f"TensorRT cannot parse {name}/1/{onnx.name}: {'; '.join(map(_reason, errors))}")
    config = builder.create_builder_config()
    # On by default, and worth three decimal places of every product.
    config.clear_flag(trt.BuilderFlag.TF32)
    if hardware_compatibility == SAME_CAPABILITY:
        levels = getattr(trt, "HardwareCompatibilityLevel", None)
        level = getattr(levels, "SAME_COMPUTE_CAPABILITY", None)
        if level is None:
            raise SetupError(f"this TensorRT knows no plans for {SAME_CAPABILITY}")
        config.hardware_compatibility_level = level
    profile = builder.create_optimization_profile()
    for tensor, shapes in wanted.items():
        profile.set_shape(tensor, shapes.least, shapes.best, shapes.most)
    config.add_optimization_profile(profile)
    if compute_capability is not None:
        config.num_compute_capabilities = 1
        config.set_compute_capability(getattr(trt.ComputeCapability, compute_capability), 0)
    if timing_cache is not None:
        cache = config.create_timing_cache(timing_cache.read_bytes() if timing_cache.is_file() else b"")
        config.set_timing_cache(cache, ignore_mismatch=False)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise SetupError(f"TensorRT built no plan of {name}/1/{onnx.name}: its log above says why")
    if timing_cache is not None:
        timing_cache.write_bytes(bytes(config.get_timing_cache().serialize()))
    return bytes(plan)


def _strongly_typed(trt: Any) -> int:
    """Give the flag of a strongly typed network: from TensorRT 11 on every one is, and the flag may go."""
    flag = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    return 0 if flag is None else 1 << int(flag)


def _reason(error: Any) -> str:
    """Return what the parser says of one node; older parsers know neither its operator nor its name."""
    operator = getattr(error, "node_operator", str)()
    return f"operator {operator}: {error.desc()}" if operator else str(error.desc())


def _precision_of(network: Model, precision: str) -> str:
    return precision if network is PATCH_ENCODER else PRECISIONS[0]


def _plain(wanted: Mapping[str, Profile]) -> dict[str, Any]:
    return {name: profile.plain() for name, profile in wanted.items()}


def _files(repository: Path, precision: str, networks: Collection[Model]) -> Iterator[tuple[Model, Path, Path]]:
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, found {precision!r}")
    for network in networks:
        folder = repository / network.name / "1"
        if not (folder / ONNX).is_file():
            raise SetupError(f"no {network.name}/1/{ONNX} in {repository}: run `vcf export onnx` first")
        onnx = source(folder, network, precision)
        if not onnx.is_file():
            raise SetupError(
                f"no {network.name}/1/{onnx.name} in {repository}: run `vcf export precision --to {precision}` first"
            )
        yield network, onnx, folder / PLAN
