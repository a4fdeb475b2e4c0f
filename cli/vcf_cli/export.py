# SPDX-License-Identifier: Apache-2.0
"""The work of ``vcf export`` where it needs the exporters' libraries, and TensorFlow for the weights."""

import argparse
import importlib.util
import json
from pathlib import Path
from typing import Any

from vcf_cli import export_config, export_plan
from vcf_cli.export_plan import written
from vcf_cli.progress import stages
from vcf_contract.errors import SetupError
from vcf_export import parity, speed
from vcf_export.calibration import real_patches
from vcf_export.onnx import export_networks
from vcf_export.openvino import quantise
from vcf_export.operating_point_writer import write_operating_point
from vcf_export.parity_page import write_page
from vcf_export.precision import write_reduced
from vcf_export.python_models import copy_python_models
from vcf_training.store import SHIPPED, load_networks, read_manifest


def run_onnx(args: argparse.Namespace) -> int:
    """Export every network, then the operating point."""
    folder = args.weights or SHIPPED
    point = read_manifest(folder).get("operating_point")
    if point is None:
        raise SetupError(f"the manifest in {folder} has no operating point: run `vcf train threshold --out {folder}`")
    export_networks(load_networks(folder), args.repository, lambda name, path: written(path))
    print(f"threshold {point['threshold']:.4f}: {write_operating_point(args.repository, point)}")
    return 0


def run_openvino(args: argparse.Namespace) -> int:
    """Quantise the encoder for OpenVINO."""
    written(quantise(args.repository, real_patches(shared_data=args.data)))
    return 0


def run_precision(args: argparse.Namespace) -> int:
    """Write reduced precision into the encoder's graph."""
    patches = real_patches(shared_data=args.data) if args.to == "int8" else None
    written(write_reduced(args.repository, args.to, patches))
    return 0


def run_all(args: argparse.Namespace) -> int:
    """A whole repository; plans only where TensorRT is."""
    copy_python_models(args.repository)
    args.check = False
    run_onnx(args)
    export_config.run(args)
    run_openvino(args)
    for args.to in ("fp16", "int8"):
        run_precision(args)
    if importlib.util.find_spec("tensorrt") is None:
        print("no plans: TensorRT is not installed here; `vcf export plan` on the GPU host builds them")
        return 0
    args.trtexec = args.record = False
    args.precision, args.timing_cache = "fp32", None
    return export_plan.run(args)


def run_check(args: argparse.Namespace) -> int:
    """Run the parity checks; fails if one does."""
    with stages() as progress:
        figures = parity.check_forms(
            args.repository,
            args.weights or SHIPPED,
            studies=args.studies,
            only=args.checks.split(",") if args.checks else (),
            shared_data=args.data,
            gpu_server=args.gpu_server,
            done=lambda done, total: progress("studies", done, total),
        )
    print(parity.text(figures))
    if args.json:
        _write_json(args.json, figures)
    if args.report:
        print(write_page(args.report, figures))
    if args.record:
        parity.record(args.repository, figures)
    return 0 if parity.passed(figures) else 1


def run_speed(args: argparse.Namespace) -> int:
    """Time every form that is there."""
    figures = speed.measure(args.repository, args.rounds)
    print(speed.text(figures))
    if args.json:
        _write_json(args.json, figures)
    return 0


def _write_json(path: Path, figures: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
