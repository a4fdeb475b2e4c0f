# SPDX-License-Identifier: Apache-2.0
"""Options of ``vcf serve``."""

import argparse
from pathlib import Path
from typing import Any

from vcf_cli.options import Work
from vcf_cli.options.types import otlp_url
from vcf_server.stale import POLICIES


def add_parser(subparsers: Any) -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser(
        "serve",
        help="run the Triton server on this machine",
        description="Run the Triton server of the nvidia-pytriton wheel on this machine until Ctrl-C or SIGTERM.",
        epilog="exit codes: 0 stopped, 3 cannot start or ended by itself, 64 wrong usage",
    )
    parser.add_argument("--repository", type=Path, metavar="DIR", help="model repository (default: the one that ships)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    for service, port in (("grpc", 8001), ("http", 8000), ("metrics", 8002)):
        parser.add_argument(
            f"--{service}-port", type=int, default=port, metavar="N", help="default %(default)s; 0 takes a free one"
        )
    parser.add_argument(
        "--config",
        default="cpu",
        metavar="NAME",
        help="which configuration of the models: cpu, cpu-bf16, cpu-int8, onnxruntime, gpu, or the one that "
        "`vcf bench sweep` wrote (default %(default)s)",
    )
    parser.add_argument(
        "--on-stale-plan",
        choices=POLICIES,
        default=POLICIES[0],
        help="what to do with a TensorRT plan that does not fit this GPU or these weights: refuse to start (default), "
        "rebuild it, or serve the ONNX files instead",
    )
    parser.add_argument(
        "--shared-memory",
        action="store_true",
        help="let every process that reaches the server register shared memory, for the transport shm",
    )
    parser.add_argument(
        "--model-control",
        action="store_true",
        help="let every process that reaches the server list, load and unload models, for NVIDIA's Model Analyzer",
    )
    parser.add_argument(
        "--revive-models",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="load a model anew whose process has died (default: yes)",
    )
    parser.add_argument(
        "--restart",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="start the server anew if it has died, up to five times in ten minutes (default: yes)",
    )
    parser.add_argument(
        "--otlp",
        type=otlp_url,
        metavar="URL",
        help="send a trace of every study to this collector, OTLP over HTTP: http://HOST:4318/v1/traces",
    )
    parser.add_argument("--log-file", type=Path, metavar="FILE", help="where the server's log is appended")
    parser.add_argument(
        "triton_args", nargs="*", metavar="-- ARG", help="options of tritonserver, passed on: -- --log-verbose=1"
    )
    parser.set_defaults(run=Work("vcf_cli.serve"))
