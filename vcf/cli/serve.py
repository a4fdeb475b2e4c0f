# SPDX-License-Identifier: Apache-2.0
"""``vcf serve``: the Triton server of the wheel on this machine, until Ctrl-C."""

import argparse
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from vcf.errors import ServerFailed, SetupError
from vcf.serve.stale import POLICIES


def add_parser(subparsers: Any) -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser(
        "serve",
        help="run the Triton server on this machine",
        description="Run the Triton server of the nvidia-pytriton wheel on this machine until Ctrl-C or SIGTERM.",
        epilog="exit codes: 0 stopped, 3 cannot start or ended by itself, 64 wrong usage",
    )
    parser.add_argument("--repository", type=Path, metavar="DIR", help="model repository (default: the checkout's own)")
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
    parser.add_argument("--log-file", type=Path, metavar="FILE", help="where the server's log is appended")
    parser.add_argument(
        "triton_args", nargs="*", metavar="-- ARG", help="options of tritonserver, passed on: -- --log-verbose=1"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve until told to stop."""
    from vcf.serve.server import ROOT, TritonServer
    from vcf.serve.stale import settle

    repository = args.repository or ROOT / "model_repository"
    try:
        config_name = settle(repository, args.config, args.on_stale_plan, say=_warn)
    except SetupError as error:
        raise ServerFailed(str(error)) from None
    server = TritonServer(
        repository,
        config_name=config_name,
        host=args.host,
        grpc_port=args.grpc_port,
        http_port=args.http_port,
        metrics_port=args.metrics_port,
        log_file=args.log_file,
        extra_args=args.triton_args,
        on_progress=_show if sys.stderr.isatty() else None,
    )
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with server:
            print(
                f"ready after {server.startup_s:.1f} s: gRPC {server.grpc_url}, HTTP {server.http_url}, "
                f"metrics {server.metrics_url}; Ctrl-C stops",
                flush=True,
            )
            status = server.wait()
            raise ServerFailed(f"the server ended by itself with status {status}: {server.last_words()}")
    except KeyboardInterrupt:
        return 0
    except SetupError as error:
        raise ServerFailed(str(error)) from None


def _warn(sentence: str) -> None:
    print(f"vcf: {sentence}", file=sys.stderr, flush=True)


def _show(loaded: int, models: int) -> None:
    end = "\r" if loaded < models else "\r\x1b[K"
    print(f"\x1b[Kloading models: {loaded} of {models}", end=end, file=sys.stderr, flush=True)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """SIGTERM stops in the same order as Ctrl-C."""
    raise KeyboardInterrupt
