# SPDX-License-Identifier: Apache-2.0
"""The run of ``vcf bench waterfall``: one study from DICOM files to report, and where every millisecond of it goes."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from vcf_benchmarks.harness import options
from vcf_benchmarks.harness.result import Result
from vcf_benchmarks.harness.served import served
from vcf_benchmarks.harness.studies import DEMO, demo_series
from vcf_benchmarks.waterfall.figures import add_figures
from vcf_benchmarks.waterfall.measure import measure
from vcf_benchmarks.waterfall.trace import TraceFiles, arguments
from vcf_client.routes import TRANSPORTS
from vcf_contract.errors import UsageError

WARM_UP = 2


def run(args: argparse.Namespace) -> Result:
    """Measure, join, account."""
    transports = args.transport or list(TRANSPORTS)
    if unknown := set(transports) - set(TRANSPORTS):
        raise UsageError(f"--transport is {', '.join(sorted(unknown))}; {', '.join(TRANSPORTS)} are accepted")
    options.at_least(args, runs=1)
    if args.trace_file and not args.server:
        raise UsageError("--trace-file belongs to a running server: give --server too")
    result = Result(
        "waterfall",
        {
            "study": "given folder" if args.study else DEMO,
            "transports": transports,
            "runs": args.runs,
            "warm_up": WARM_UP,
            "server": "given" if args.server else "own",
        },
    )
    study = args.study or demo_series()
    with _traced(args.server, args.trace_file) as (address, traces):
        measured = measure(address, traces, study, transports, args.runs, WARM_UP, own=not args.server)
    add_figures(result, measured)
    return result


@contextmanager
def _traced(address: str | None, trace_file: Path | None) -> Iterator[tuple[str, TraceFiles | None]]:
    """Yield a server's address and the traces it leaves; by default of a server of our own that traces all requests."""
    if address:
        yield address, TraceFiles(trace_file) if trace_file else None
        return
    with TemporaryDirectory(prefix="vcf-waterfall-") as folder:
        file = Path(folder) / "trace"
        with served(None, arguments(file)) as server:
            yield server.address, TraceFiles(file)
