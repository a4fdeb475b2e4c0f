# SPDX-License-Identifier: Apache-2.0
"""Tell what ``vcf bench`` can measure: names, help and options, with the standard library alone.

Each benchmark is a package with ``options.add_arguments(parser)``, ``command.run(args) -> Result`` and
``page.sections(document)``, the latter of the JSON alone; where it leaves pictures beside its page, also
``page.pictures(document)``. What is heavy is imported when one is run or drawn.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

from vcf_benchmarks.capacity import options as capacity
from vcf_benchmarks.copies import options as copies
from vcf_benchmarks.floor import options as floor
from vcf_benchmarks.latency import options as latency
from vcf_benchmarks.loadgen import options as loadgen
from vcf_benchmarks.locust import options as locust
from vcf_benchmarks.looks import options as looks
from vcf_benchmarks.overhead import options as overhead
from vcf_benchmarks.overload import options as overload
from vcf_benchmarks.peers import options as peers
from vcf_benchmarks.preprocess import options as preprocess
from vcf_benchmarks.sizes import options as sizes
from vcf_benchmarks.sweep import options as sweep
from vcf_benchmarks.waterfall import options as waterfall

AddArguments = Callable[[argparse.ArgumentParser], None]


@dataclass(frozen=True)
class Kind:
    """A benchmark that leaves a result: the word after ``vcf bench``, which is its package too."""

    name: str
    help: str
    add_arguments: AddArguments

    def command(self) -> ModuleType:
        """Import what runs it."""
        return import_module(f"vcf_benchmarks.{self.name}.command")

    def page(self) -> ModuleType:
        """Import what draws its page."""
        return import_module(f"vcf_benchmarks.{self.name}.page")


@dataclass(frozen=True)
class Look:
    """A short look at one thing, which prints a table."""

    name: str
    help: str
    add_arguments: AddArguments
    module: str

    def command(self) -> ModuleType:
        """Import what runs it."""
        return import_module(f"vcf_benchmarks.looks.{self.module}")


KINDS = {
    kind.name: kind
    for kind in (
        Kind("latency", "latency against rate: open loop, Poisson arrivals, to the knee", latency.add_arguments),
        Kind(
            "loadgen", "LoadGen scenarios: SingleStream, Server, Offline, and its accuracy mode", loadgen.add_arguments
        ),
        Kind("locust", "a hospital's day, night, accident or a ramp, by locust", locust.add_arguments),
        Kind(
            "waterfall",
            "where every millisecond of one study goes, from DICOM files to report",
            waterfall.add_arguments,
        ),
        Kind("copies", "bytes copied for one study at every hop: the budget, and counted", copies.add_arguments),
        Kind(
            "capacity",
            "studies an hour and a latency in, servers and cost out, from a measured curve",
            capacity.add_arguments,
        ),
        Kind(
            "preprocess",
            "volume and centre line to patches on one core, against other libraries",
            preprocess.add_arguments,
        ),
        Kind(
            "sweep",
            "settings that suit this machine, written as a form for `vcf serve --config`",
            sweep.add_arguments,
        ),
        Kind(
            "floor",
            "a study against the time of its arithmetic and one copy; start, preparation",
            floor.add_arguments,
        ),
        Kind(
            "sizes",
            "latency, processor time and memory of studies of four sizes, with exponents",
            sizes.add_arguments,
        ),
        Kind(
            "overhead",
            "serving overhead: through Triton against the same pipeline in one process",
            overhead.add_arguments,
        ),
        Kind(
            "overload",
            "several times what the server can do: who is answered, who is refused, who goes first",
            overload.add_arguments,
        ),
        Kind("peers", "Triton beside FastAPI, BentoML, LitServe, Ray Serve and a plain loop", peers.add_arguments),
    )
}
LOOKS = {
    look.name: look
    for look in (
        Look("stages", "time of each stage of one study through a server", looks.add_stages, "stages"),
        Look("deadline", "a deadline of half the usual time, on a server of its own", looks.add_deadline, "deadline"),
        Look("canal", "centre line of LIDC-IDRI-0001 against its published spinal cord mask", looks.add_canal, "canal"),
        Look(
            "transports",
            "bytes, processor time and latency of each way to send a study",
            looks.add_transports,
            "transports",
        ),
        Look(
            "inputs",
            "real requests for perf_analyzer, and a configuration for Model Analyzer",
            looks.add_inputs,
            "inputs",
        ),
        Look(
            "agreement",
            "perf_analyzer and the open loop of `latency` at one rate, in turn",
            looks.add_agreement,
            "agreement",
        ),
        Look("read", "reading a DICOM series, by transfer syntax", looks.add_reading, "reading"),
        Look(
            "screening",
            "what `vcf screen` costs beside the analysis, and how near to saturation it comes",
            looks.add_screening,
            "screening",
        ),
    )
}
