# SPDX-License-Identifier: Apache-2.0
"""Count what client, server and stubs copy for a study, with ``copies.c`` preloaded into all of them.

The library must be there when a process starts, so the counting happens in a child (``python -m
vcf_benchmarks.copies.count``) which starts the server and plays the client.
"""

import json
import os
import shutil
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from vcf_benchmarks.copies.budget import StudySize, Who
from vcf_client import Findings, VcfClient
from vcf_client.dicom.files import read_all
from vcf_client.reader import read_study
from vcf_client.routes import DICOM
from vcf_client.study import Study
from vcf_contract.contract import MODELS
from vcf_contract.errors import SetupError
from vcf_preprocess import centre_line, slices, spine
from vcf_preprocess.admission import check_shape
from vcf_server.processes import STUB
from vcf_server.server import TritonServer

SOURCE = Path(__file__).with_name("copies.c")
FOLDER_VARIABLE = "VCF_COPIES"
_COUNTERS = struct.Struct("3Q")
"""Bytes of large copies, sent, received: as in ``copies.c``."""
SETTLE_S = 0.5
"""The server lets go of a request after its answer; nothing else may run then."""
WARM_UP = 1
UNHURRIED = ("--model-load-thread-count=1", "--backend-config=python,stub-timeout-seconds=300")
"""Nothing is timed here, so the machine may be busy: one stub starts after the other, and may take long."""
SERVER_NAME = "tritonserver"


@dataclass(frozen=True)
class Counts:
    """Bytes of one study by process: large copies, and what went through sockets."""

    copied: Mapping[str, int]
    sent: Mapping[str, int]
    received: Mapping[str, int]

    def of(self, who: Who) -> int:
        """Return the bytes as the budget groups them."""
        if who is Who.KERNEL:
            return sum(self.sent.values()) + sum(self.received.values())
        return sum(nbytes for process, nbytes in self.copied.items() if process.split()[0] == who)


def build(folder: Path) -> Path:
    """Compile the library into a folder; SetupError where that cannot be done."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise SetupError("counting copies needs a C compiler (cc); apt-get install gcc, or the like, brings one")
    library = folder / "copies.so"
    command = [compiler, "-O2", "-fno-builtin", "-fPIC", "-shared", "-o", str(library), str(SOURCE), "-ldl"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise SetupError(f"{SOURCE.name} does not compile here: {done.stderr.strip().splitlines()[-1]}")
    return library


def environment(library: Path, counters: Path) -> dict[str, str]:
    """Return what a process needs in its environment so that it, and all it starts, is counted."""
    preload = os.pathsep.join(filter(None, (str(library), os.environ.get("LD_PRELOAD"))))
    return {**os.environ, "LD_PRELOAD": preload, FOLDER_VARIABLE: str(counters)}


def count(
    study: Path, transports: Sequence[str], runs: int, models: Path, timeout_s: float = 900.0
) -> tuple[StudySize, dict[str, list[Counts]]]:
    """Return sizes of a DICOM study's tensors, and what each call by each transport copied, on a server of its own."""
    with TemporaryDirectory(prefix="vcf-copies-") as name:
        folder = Path(name)
        counters = folder / "counters"
        counters.mkdir()
        out = folder / "counts.json"
        order = {
            "study": str(study),
            "transports": list(transports),
            "runs": runs,
            "models": str(models),
            "out": str(out),
        }
        done = subprocess.run(
            [sys.executable, "-m", "vcf_benchmarks.copies.count"],
            input=json.dumps(order),
            env=environment(build(folder), counters),
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )
        if done.returncode or not out.exists():
            last = done.stderr.strip().splitlines()
            raise SetupError(f"the counted run failed: {last[-1] if last else f'exit status {done.returncode}'}")
        found = json.loads(out.read_text("utf-8"))
    shape: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in found["size"].items()
    }
    return StudySize(**shape), {
        transport: [Counts(**one) for one in calls] for transport, calls in found["counts"].items()
    }


def median(calls: Sequence[Counts]) -> Counts:
    """Return the median of each process: a late page or a retried request shows in one call and not in it."""
    names = {name for call in calls for name in (*call.copied, *call.sent, *call.received)}

    def middle(which: str) -> dict[str, int]:
        return {name: int(statistics.median(getattr(call, which).get(name, 0) for call in calls)) for name in names}

    return Counts(middle("copied"), middle("sent"), middle("received"))


def snapshot(folder: Path) -> dict[int, tuple[int, ...]]:
    """Read all counters by process id."""
    found = {}
    for path in folder.iterdir():
        raw = path.read_bytes()
        if path.name.isdigit() and len(raw) == _COUNTERS.size:
            found[int(path.name)] = _COUNTERS.unpack(raw)
    return found


def between(
    before: Mapping[int, tuple[int, ...]], after: Mapping[int, tuple[int, ...]], names: Mapping[int, str]
) -> Counts:
    """Return what each named process did between two snapshots."""
    fields: list[dict[str, int]] = [{}, {}, {}]
    for pid, counters in after.items():
        if pid in names:
            start = before.get(pid, (0,) * len(fields))
            for field, new, old in zip(fields, counters, start, strict=True):
                field[names[pid]] = field.get(names[pid], 0) + new - old
    return Counts(*fields)


def process_names(pids: Sequence[int], models: Sequence[str]) -> dict[int, str]:
    """Name processes ``client`` for this one, ``server``, and ``stub MODEL``, and leave out all others."""
    found = {os.getpid(): str(Who.CLIENT)}
    for pid in pids:
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace").split("\0")
        except OSError:
            continue
        program = Path(command[0]).name
        if program == SERVER_NAME:
            found[pid] = str(Who.SERVER)
        elif program == STUB:
            model = next((name for name in models if any(name in word for word in command[1:])), "unknown")
            found[pid] = f"{Who.STUB} {model}"
    return found


def main() -> None:
    """Run the child: orders on standard input as JSON."""
    order = json.loads(sys.stdin.read())
    folder = Path(os.environ[FOLDER_VARIABLE])
    path = Path(order["study"])
    study = read_study(path)
    counts: dict[str, list[dict[str, Any]]] = {transport: [] for transport in order["transports"]}
    with TritonServer(Path(order["models"]), extra_args=UNHURRIED, ready_timeout_s=600) as server:
        for transport in order["transports"]:
            with VcfClient(server.grpc_url, transport=transport) as client:
                for call in range(WARM_UP + order["runs"]):
                    before = snapshot(folder)
                    findings = client.analyze(path if transport == DICOM else study)
                    time.sleep(SETTLE_S)
                    after = snapshot(folder)
                    if call >= WARM_UP:
                        names = process_names(list(after), [model.name for model in MODELS])
                        counts[transport].append(vars(between(before, after, names)))
    size = vars(_size(study, findings, path))
    Path(order["out"]).write_text(json.dumps({"size": size, "counts": counts}), "utf-8")


def _size(study: Study, findings: Findings, path: Path) -> StudySize:
    """Return what the study's tensors measured: the crop is cut again by the product's arithmetic."""
    shape = study.volume.hu.shape
    spacing = check_shape(shape, np.array(study.volume.spacing_mm, np.float32))
    line = centre_line.received(findings.midsagittal.centre_line_mm, shape, spacing)
    window = spine.window(shape, spacing, line)
    files = read_all(path)
    z, y, x = study.volume.hu.shape
    rows, columns = findings.midsagittal.hu.shape
    return StudySize(
        volume=(z, y, x),
        crop=(shape[0], window.y.stop - window.y.start, window.x.stop - window.x.start),
        slice_images=len(slices.pick(shape[0], spacing[0])),
        patches=len(findings.patches),
        picture=(rows, columns),
        dicom_bytes=sum(map(len, files)),
        dicom_files=len(files),
    )


if __name__ == "__main__":
    main()
