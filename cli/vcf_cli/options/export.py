# SPDX-License-Identifier: Apache-2.0
"""Options of ``vcf export``."""

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vcf_cli.options import Work
from vcf_server.assets import repository_to_read, repository_to_write
from vcf_server.passport import COMPATIBILITIES


@dataclass(frozen=True)
class _OnRepository(Work):
    """Work on a model repository: the one that was named, or the one that ships if that may be done."""

    writes: Callable[[argparse.Namespace], bool] = lambda args: True

    def __call__(self, args: argparse.Namespace) -> int:
        """Settle which repository it is before anything slow is imported."""
        args.repository = (repository_to_write if self.writes(args) else repository_to_read)(args.repository)
        return super().__call__(args)


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
    onnx.set_defaults(run=_OnRepository("vcf_cli.export", "run_onnx"))

    openvino = kinds.add_parser("openvino", help="model.onnx to int8 for the form cpu-int8, calibrated on real CTs")
    _repository(openvino)
    _data(openvino)
    openvino.set_defaults(run=_OnRepository("vcf_cli.export", "run_openvino"))

    precision = kinds.add_parser("precision", help="model.onnx to model.fp16.onnx or model.int8.onnx, for TensorRT")
    precision.add_argument("--to", choices=("fp16", "int8"), required=True)
    _repository(precision)
    _data(precision)
    precision.set_defaults(run=_OnRepository("vcf_cli.export", "run_precision"))

    plan = kinds.add_parser("plan", aliases=["tensorrt"], help="ONNX to model.plan, for the GPU of this machine")
    _repository(plan)
    plan.add_argument("--precision", choices=("fp32", "fp16", "int8"), default="fp32", help="default %(default)s")
    plan.add_argument("--timing-cache", type=Path, metavar="FILE", help="read and renewed; makes builds faster, alike")
    plan.add_argument(
        "--hardware-compatibility",
        choices=COMPATIBILITIES,
        default=COMPATIBILITIES[0],
        help="none: plans for this very model of GPU (default); sameComputeCapability: for all of its generation, a "
        "little slower",
    )
    how = plan.add_mutually_exclusive_group()
    how.add_argument("--trtexec", action="store_true", help="print the equivalent trtexec commands and build nothing")
    how.add_argument("--record", action="store_true", help="write the passports of plans that trtexec has built here")
    plan.set_defaults(run=_OnRepository("vcf_cli.export_plan", writes=lambda args: not args.trtexec))

    config = kinds.add_parser("config", help="every config.pbtxt from the typed description")
    _repository(config)
    config.add_argument("--check", action="store_true", help="write nothing; name the files that differ, and fail")
    config.set_defaults(run=_OnRepository("vcf_cli.export_config", writes=lambda args: not args.check))

    contract = kinds.add_parser("contract", help="the contract of clients and servers as one JSON document")
    contract.add_argument("--json", type=Path, metavar="FILE", help="write it here (default: standard output)")
    contract.add_argument(
        "--against",
        type=Path,
        metavar="FILE",
        help="an older document: fail if the version does not say what changed since",
    )
    contract.set_defaults(run=Work("vcf_cli.export_contract"))

    openapi = kinds.add_parser("openapi", help="the HTTP side of a server as an OpenAPI 3.1 document")
    openapi.add_argument("--json", type=Path, metavar="FILE", help="write it here (default: standard output)")
    openapi.set_defaults(run=Work("vcf_cli.export_openapi"))

    everything = kinds.add_parser("all", help="a complete model repository: models, configurations, every form")
    _weights(everything)
    _repository(everything)
    _data(everything)
    everything.set_defaults(run=_OnRepository("vcf_cli.export", "run_all"))

    check = kinds.add_parser("check", help="the parity checks: every form against the Keras models")
    _weights(check)
    _repository(check)
    _data(check)
    check.add_argument("--studies", type=int, default=54, metavar="N", help="how many (default %(default)s)")
    check.add_argument("--checks", metavar="NAMES", help="comma-separated; default: all that run here")
    check.add_argument("--json", type=Path, metavar="FILE", help="write the checks and every score")
    check.add_argument("--report", type=Path, metavar="DIR", help="write a page, parity.html")
    check.add_argument("--gpu-server", metavar="ADDRESS", help="a Triton server with the gpu form, for its check")
    check.add_argument(
        "--record", action="store_true", help="add the figures to the passports of the files behind them"
    )
    check.set_defaults(run=_OnRepository("vcf_cli.export", "run_check", lambda args: args.record))

    speed = kinds.add_parser("speed", help="latency and throughput of every CPU form, beside the sgemm peak")
    _repository(speed)
    speed.add_argument("--rounds", type=int, default=20, metavar="N", help="default %(default)s; the fastest counts")
    speed.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")
    speed.set_defaults(run=_OnRepository("vcf_cli.export", "run_speed", lambda args: False))


def _weights(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--weights", type=Path, metavar="DIR", help="folder of `vcf train` (default: those that ship)")


def _repository(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out",
        "--repository",
        type=Path,
        metavar="DIR",
        dest="repository",
        help="model repository (default: the checkout's; outside one, where nothing is written, the one that ships)",
    )


def _data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        type=Path,
        default=os.environ.get("VCF_SHARED_DATA"),
        metavar="DIR",
        help="folder of real CTs with annotated canals (default: $VCF_SHARED_DATA, else public packages alone)",
    )
