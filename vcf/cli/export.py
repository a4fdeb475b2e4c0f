# SPDX-License-Identifier: Apache-2.0
"""``vcf export``: trained weights to what the server loads, and the proof that both answer alike."""

import argparse
import json
import os
from pathlib import Path
from typing import Any

REPOSITORY = Path("model_repository")


def add_parser(subparsers: Any) -> None:
    """Register the subcommand and its own."""
    parser = subparsers.add_parser(
        "export",
        help="turn trained weights into what the server loads",
        description="Write what the server loads from trained weights, and check that it answers as they do.",
    )
    kinds = parser.add_subparsers(metavar="KIND", required=True)

    onnx = kinds.add_parser("onnx", help="Keras weights to model.onnx, the same bytes for the same weights")
    _weights(onnx)
    _repository(onnx)
    onnx.set_defaults(run=run_onnx)

    openvino = kinds.add_parser("openvino", help="model.onnx to int8 for the form cpu-int8, calibrated on real CTs")
    _repository(openvino)
    _data(openvino)
    openvino.set_defaults(run=run_openvino)

    precision = kinds.add_parser("precision", help="model.onnx to model.fp16.onnx or model.int8.onnx, for TensorRT")
    precision.add_argument("--to", choices=("fp16", "int8"), required=True)
    _repository(precision)
    _data(precision)
    precision.set_defaults(run=run_precision)

    plan = kinds.add_parser("plan", aliases=["tensorrt"], help="ONNX to model.plan, for the GPU of this machine")
    _repository(plan)
    plan.add_argument("--precision", choices=("fp32", "fp16", "int8"), default="fp32", help="default %(default)s")
    plan.add_argument("--timing-cache", type=Path, metavar="FILE", help="read and renewed; makes builds faster, alike")
    how = plan.add_mutually_exclusive_group()
    how.add_argument("--trtexec", action="store_true", help="print the equivalent trtexec commands and build nothing")
    how.add_argument("--record", action="store_true", help="write the passports of plans that trtexec has built here")
    plan.set_defaults(run=run_plan)

    config = kinds.add_parser("config", help="every config.pbtxt from the typed description")
    _repository(config)
    config.add_argument("--check", action="store_true", help="write nothing; name the files that differ, and fail")
    config.set_defaults(run=run_config)

    everything = kinds.add_parser("all", help="a complete model repository: models, configurations, every form")
    _weights(everything)
    _repository(everything)
    _data(everything)
    everything.set_defaults(run=run_all)

    check = kinds.add_parser("check", help="the parity ladder: every form against the Keras models")
    _weights(check)
    _repository(check)
    _data(check)
    check.add_argument("--studies", type=int, default=54, metavar="N", help="how many (default %(default)s)")
    check.add_argument("--rungs", metavar="NAMES", help="comma-separated; default: all that run here")
    check.add_argument("--json", type=Path, metavar="FILE", help="write the rungs and every score")
    check.add_argument("--report", type=Path, metavar="DIR", help="write a page, parity.html")
    check.add_argument("--gpu-server", metavar="ADDRESS", help="a Triton server with the gpu form, for its rung")
    check.add_argument(
        "--record", action="store_true", help="add the figures to the passports of the files behind them"
    )
    check.set_defaults(run=run_check)

    speed = kinds.add_parser("speed", help="latency and throughput of every CPU form, beside the sgemm peak")
    _repository(speed)
    speed.add_argument("--rounds", type=int, default=20, metavar="N", help="default %(default)s; the fastest counts")
    speed.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")
    speed.set_defaults(run=run_speed)


def _weights(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--weights", type=Path, metavar="DIR", help="folder of `vcf train` (default: those that ship)")


def _repository(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out",
        "--repository",
        type=Path,
        default=REPOSITORY,
        metavar="DIR",
        dest="repository",
        help="model repository, default %(default)s",
    )


def _data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        type=Path,
        default=os.environ.get("VCF_SHARED_DATA"),
        metavar="DIR",
        help="folder of real CTs with annotated canals (default: $VCF_SHARED_DATA, else public packages alone)",
    )


def run_onnx(args: argparse.Namespace) -> int:
    """Export every network, then the operating point."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from export.onnx import export_networks
    from export.operating_point import write_operating_point
    from training.store import SHIPPED, load_networks, read_manifest
    from vcf.errors import SetupError

    folder = args.weights or SHIPPED
    point = read_manifest(folder).get("operating_point")
    if point is None:
        raise SetupError(f"the manifest in {folder} has no operating point: run `vcf train threshold --out {folder}`")
    export_networks(load_networks(folder), args.repository, _written)
    print(f"threshold {point['threshold']:.4f}: {write_operating_point(args.repository, point)}")
    return 0


def run_openvino(args: argparse.Namespace) -> int:
    """Quantise the encoders for OpenVINO."""
    from export.calibration import real_patches
    from export.openvino import quantise

    for path in quantise(args.repository, real_patches(shared_data=args.data)):
        _written(path.parents[1].name, path)
    return 0


def run_precision(args: argparse.Namespace) -> int:
    """Write reduced precision into the encoders' graphs."""
    from export.precision import write_reduced

    patches = None
    if args.to == "int8":
        from export.calibration import real_patches

        patches = real_patches(shared_data=args.data)
    for path in write_reduced(args.repository, args.to, patches):
        _written(path.parents[1].name, path)
    return 0


def run_plan(args: argparse.Namespace) -> int:
    """Build every plan, print how, or record those that were built so."""
    from export import tensorrt

    if args.trtexec:
        cache = args.timing_cache
        print("\n".join(tensorrt.trtexec_commands(args.repository, precision=args.precision, timing_cache=cache)))
        return 0
    if args.record:
        for path in tensorrt.record_plans(args.repository, precision=args.precision):
            _written(path.parents[1].name, path)
        return 0
    for path in tensorrt.build_plans(args.repository, precision=args.precision, timing_cache=args.timing_cache):
        _written(path.parents[1].name, path)
    return 0


def run_config(args: argparse.Namespace) -> int:
    """Write the configurations, or say which differ."""
    from export import config, tuning
    from vcf.errors import SetupError

    if not args.check:
        print(f"{len(config.write(args.repository))} files in {args.repository}")
        if tuned := tuning.refresh(args.repository):
            print(f"and the forms fitted to this machine: {', '.join(tuned)}")
        return 0
    differing = config.differing(args.repository)
    differing += [
        f"the form {name!r} is of another contract: run `vcf export config`"
        for name in tuning.differing(args.repository)
    ]
    if differing:
        raise SetupError("; ".join(differing))
    print(f"the configurations in {args.repository} are those that would be generated")
    return 0


def run_all(args: argparse.Namespace) -> int:
    """A whole repository; plans only where TensorRT is."""
    import importlib.util

    from export.repository import copy_python_models

    copy_python_models(args.repository)
    args.check = False
    run_onnx(args)
    run_config(args)
    run_openvino(args)
    for args.to in ("fp16", "int8"):
        run_precision(args)
    if importlib.util.find_spec("tensorrt") is None:
        print("no plans: TensorRT is not installed here; `vcf export plan` on the GPU host builds them")
        return 0
    args.trtexec = args.record = False
    args.precision, args.timing_cache = "fp32", None
    return run_plan(args)


def run_check(args: argparse.Namespace) -> int:
    """Climb the ladder; fails if a rung does."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from export import ladder
    from export.ladder_page import write_page
    from training.store import SHIPPED
    from vcf.cli.train import bars

    with bars() as progress:
        figures = ladder.climb(
            args.repository,
            args.weights or SHIPPED,
            studies=args.studies,
            only=args.rungs.split(",") if args.rungs else (),
            shared_data=args.data,
            gpu_server=args.gpu_server,
            done=lambda done, total: progress("studies", done, total),
        )
    print(ladder.text(figures))
    if args.json:
        _write_json(args.json, figures)
    if args.report:
        print(write_page(args.report, figures))
    if args.record:
        ladder.record(args.repository, figures)
    return 0 if ladder.passed(figures) else 1


def run_speed(args: argparse.Namespace) -> int:
    """Time every form that is there."""
    from export import speed

    figures = speed.measure(args.repository, args.rounds)
    print(speed.text(figures))
    if args.json:
        _write_json(args.json, figures)
    return 0


def _write_json(path: Path, figures: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")


def _written(name: str, path: Path) -> None:
    print(f"{name}: {path.name}, {path.stat().st_size} bytes")
