# SPDX-License-Identifier: Apache-2.0
"""``python -m vcf_benchmarks.trace STUDY OUT.png``: analyse a study on a server of its own, and draw its trace."""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from vcf_benchmarks.trace.collector import Collector, Span, collecting
from vcf_benchmarks.trace.picture import draw
from vcf_contract.errors import SetupError
from vcf_server.assets import MODEL_REPOSITORY
from vcf_server.server import TritonServer, otlp_arguments

_COMES_S = 30.0
"""Triton sends its spans every few seconds."""


def main() -> int:
    """Entry of the module; see its text."""
    parser = argparse.ArgumentParser(
        prog="python -m vcf_benchmarks.trace", description=(__doc__ or "").partition(": ")[2]
    )
    parser.add_argument("study", type=Path, metavar="STUDY", help="folder, file or archive of DICOM images, or NIfTI")
    parser.add_argument("out", type=Path, metavar="OUT", help="picture, PNG or SVG")
    args = parser.parse_args()
    with collecting() as collector, TritonServer(MODEL_REPOSITORY, extra_args=otlp_arguments(collector.url)) as server:
        for _ in range(2):  # the second is what a server does all day
            _analyse(args.study, server.grpc_url, collector)
        root = collector.of("vcf.study")[-1]
        draw(_whole(collector, root), args.out)
    return 0


def _analyse(study: Path, server: str, collector: Collector) -> None:
    with tempfile.TemporaryDirectory() as folder:
        words = ["analyze", str(study), "--server", server, "--report", folder, "--otlp", collector.url]
        subprocess.run([sys.executable, "-m", "vcf_cli", *words], check=True, stdout=subprocess.DEVNULL, timeout=300)


def _whole(collector: Collector, root: Span) -> list[Span]:
    """All spans of a trace, once its last model has come."""
    until = time.monotonic() + _COMES_S
    while time.monotonic() < until:
        with collector.lock:
            found = [span for span in collector.spans if span.trace_id == root.trace_id]
        if any(span.name == "fracture_findings" for span in found):
            return found
        time.sleep(0.2)
    raise SetupError("the server sent no trace of the study")


if __name__ == "__main__":
    sys.exit(main())
