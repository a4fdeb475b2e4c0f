# SPDX-License-Identifier: Apache-2.0
"""``vcf serve``: the Triton server of the wheel on this machine, until Ctrl-C."""

import argparse
import signal
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from types import FrameType

from vcf_contract.errors import ServerFailed, SetupError
from vcf_export.tensorrt import build_plans
from vcf_server.assets import MODEL_REPOSITORY
from vcf_server.passport import Host
from vcf_server.server import TritonServer, otlp_arguments
from vcf_server.stale import settle
from vcf_server.supervisor import Policy, Supervisor


def run(args: argparse.Namespace) -> int:
    """Serve until told to stop."""
    repository = args.repository or MODEL_REPOSITORY
    try:
        config_name = settle(repository, args.config, args.on_stale_plan, build=_build, log=_warn)
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
        extra_args=[*(otlp_arguments(args.otlp) if args.otlp else ()), *args.triton_args],
        on_progress=_show if sys.stderr.isatty() else None,
        shared_memory=args.shared_memory,
        model_control=args.model_control,
    )
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with server:
            print(
                f"ready after {server.startup_s:.1f} s: gRPC {server.grpc_url}, HTTP {server.http_url}, "
                f"metrics {server.metrics_url}; Ctrl-C stops",
                flush=True,
            )
            Supervisor(server, Policy(models=args.revive_models, server=args.restart), log=_warn).run()
    except KeyboardInterrupt:
        return 0
    except SetupError as error:
        raise ServerFailed(str(error)) from None


def _build(models: Path, networks: Collection[str], host: Host) -> Iterator[Path]:
    return build_plans(models, only=networks, host=host)


def _warn(sentence: str) -> None:
    print(f"vcf: {sentence}", file=sys.stderr, flush=True)


def _show(loaded: int, models: int) -> None:
    end = "\r" if loaded < models else "\r\x1b[K"
    print(f"\x1b[Kloading models: {loaded} of {models}", end=end, file=sys.stderr, flush=True)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """SIGTERM stops in the same order as Ctrl-C."""
    raise KeyboardInterrupt
