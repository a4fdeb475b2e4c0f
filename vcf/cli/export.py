# SPDX-License-Identifier: Apache-2.0
"""``vcf export``: trained weights to what the server loads."""

import argparse
import os
from pathlib import Path
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser(
        "export",
        help="turn trained weights into what the server loads",
        description="Write ONNX graphs with the threshold that belongs to them, or TensorRT plans made from those.",
    )
    kinds = parser.add_subparsers(metavar="KIND", required=True)
    onnx = kinds.add_parser("onnx", help="Keras weights to model.onnx, the same bytes for the same weights")
    onnx.add_argument("--weights", type=Path, metavar="DIR", help="folder of `vcf train` (default: those that ship)")
    onnx.add_argument("--out", type=Path, default=Path("model_repository"), metavar="DIR", help="default %(default)s")
    onnx.set_defaults(run=run_onnx)
    plans = kinds.add_parser("tensorrt", help="model.onnx to model.plan, for the GPU of this machine")
    plans.add_argument("--repository", type=Path, default=Path("model_repository"), metavar="DIR")
    plans.add_argument(
        "--timing-cache", type=Path, metavar="FILE", help="read and renewed; makes builds faster and alike"
    )
    plans.add_argument("--trtexec", action="store_true", help="print the equivalent trtexec commands and build nothing")
    plans.set_defaults(run=run_tensorrt)


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
        raise SetupError(f"the manifest in {folder} has no operating point: run `vcf train members --out {folder}`")
    export_networks(load_networks(folder), args.out, lambda name, path: print(f"{name}: {path.stat().st_size} bytes"))
    print(f"threshold {point['threshold']:.4f}: {write_operating_point(args.out, point)}")
    return 0


def run_tensorrt(args: argparse.Namespace) -> int:
    """Build every plan, or print how."""
    from export import tensorrt

    if args.trtexec:
        print("\n".join(tensorrt.trtexec_commands(args.repository)))
        return 0
    for path in tensorrt.build_plans(args.repository, timing_cache=args.timing_cache):
        print(f"{path}: {path.stat().st_size} bytes")
    return 0
