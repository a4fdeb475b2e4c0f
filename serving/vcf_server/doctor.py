# SPDX-License-Identifier: Apache-2.0
"""Tell what of a server and a client is on this machine, what is not, and what to do about it.

Nothing is started, written or sent; of a port that is taken it is asked whether a Triton server answers there.
"""

import http.client
import importlib.metadata
import os
import platform
import resource
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from vcf_contract.errors import SetupError
from vcf_contract.version import VERSION
from vcf_server import guard, passport, repository, wheel
from vcf_server.assets import BACKENDS, MODEL_REPOSITORY

PORTS = {"grpc": 8001, "http": 8000, "metrics": 8002}
LEAST_SHM_BYTES = 1 << 30
"""Every study in flight lies in shared memory between the steps, with what is made from it."""
LEAST_MEMORY_BYTES = 4 << 30
LEAST_FILES = 1024
PATIENCE_S = 1.0
PACKAGES = {
    "client": ("tritonclient", "pydicom", "pylibjpeg", "nibabel", "jinja2"),
    "gateway": ("highdicom", "pynetdicom"),
    "serve": ("nvidia-pytriton", "openvino", "onnxruntime"),
    "train": ("tensorflow-cpu", "keras"),
    "export": ("onnx", "tf2onnx", "nncf"),
    "bench": ("locust", "hdrhistogram", "psutil"),
}
"""Packages that tell whether an extra is installed."""
_MEMINFO = Path("/proc/meminfo")
_THP = Path("/sys/kernel/mm/transparent_hugepage/enabled")


@dataclass(frozen=True)
class Item:
    """One thing that was looked at.

    state
        ``ok``; ``missing``: a server or a client does not work without; ``absent``: only some things need it.
    fix
        What to do; empty where nothing is.
    """

    area: str
    name: str
    state: str
    found: str
    fix: str = ""


OK, MISSING, ABSENT = "ok", "missing", "absent"


def look(models: Path = MODEL_REPOSITORY, config_name: str = "cpu", host: str = "127.0.0.1") -> list[Item]:
    """Everything that is looked at, in the order in which it is told.

    Parameters
    ----------
    models, config_name
        The repository that would be served, and in which form.
    host
        The address whose ports are looked at.
    """
    looks: tuple[Callable[[], Iterator[Item]], ...] = (
        _machine,
        _gpu,
        _packages,
        lambda: _server(models, config_name),
        lambda: _ports(host),
    )
    return [item for each in looks for item in each()]


def _machine() -> Iterator[Item]:
    version = platform.python_version()
    suits = version.startswith(("3.11.", "3.12."))
    fix = "" if suits else "the server needs Python 3.11 or 3.12; 3.13 runs the client alone"
    yield Item("machine", "Python", OK if suits else ABSENT, version, fix)
    yield Item("machine", "contract", OK, VERSION)
    yield Item("machine", "cores", OK, str(len(os.sched_getaffinity(0))))
    free = _available_bytes()
    enough = free >= LEAST_MEMORY_BYTES
    fix = "" if enough else "a server with large studies takes about 4 GiB: free some, or send fewer at a time"
    yield Item("machine", "free memory", OK if enough else ABSENT, _gib(free), fix)
    free = shutil.disk_usage(guard.SHARED_MEMORY).free
    enough = free >= LEAST_SHM_BYTES
    fix = "" if enough else "more shared memory: docker's --shm-size=2g, or mount -o remount,size=2G /dev/shm"
    yield Item("machine", f"free in {guard.SHARED_MEMORY}", OK if enough else MISSING, _gib(free), fix)
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    enough = files >= LEAST_FILES
    yield Item("machine", "open files", OK if enough else MISSING, str(files), "" if enough else "ulimit -n 4096")
    if _THP.is_file():
        text = _THP.read_text("ascii")
        chosen = text.partition("[")[2].partition("]")[0]
        fix = "" if chosen != "never" else f"echo madvise > {_THP} lets large volumes be copied in less time"
        yield Item("machine", "transparent huge pages", OK if not fix else ABSENT, chosen, fix)


def _available_bytes() -> int:
    """Memory that may be had without swapping, the page cache included."""
    with _MEMINFO.open("rb") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith(b"MemAvailable:"))


def _gpu() -> Iterator[Item]:
    found = passport.this_host()
    gpu = str(found.gpu) if found.gpu else "none"
    yield Item("GPU", "NVIDIA GPU", OK if found.gpu else ABSENT, gpu, "" if found.gpu else passport.NO_GPU)
    if found.gpu:
        fix = "" if found.tensorrt else "the form gpu needs TensorRT: run it in NVIDIA's container"
        yield Item("GPU", "TensorRT", OK if found.tensorrt else ABSENT, found.tensorrt or "none", fix)


def _packages() -> Iterator[Item]:
    for extra, names in PACKAGES.items():
        missing, found = [], []
        for name in names:
            try:
                found.append(f"{name} {importlib.metadata.version(name)}")
            except importlib.metadata.PackageNotFoundError:
                missing.append(name)
        fix = f"pip install 'vcf-triton[{extra}]'" if missing else ""
        said = ", ".join(found + [f"no {name}" for name in missing])
        yield Item("packages", extra, ABSENT if missing else OK, said, fix)


def _server(models: Path, config_name: str) -> Iterator[Item]:
    try:
        found = wheel.find()
        yield Item("server", "Triton", OK, str(found.server))
    except SetupError as error:
        yield Item("server", "Triton", MISSING, "cannot run", str(error))
    python_based = {model.parent.name for model in BACKENDS.glob("*/model.py")}
    name = f"models of the form {config_name}"
    try:
        names = repository.check(models, config_name, {*wheel.BACKENDS, *python_based})
        yield Item("server", name, OK, f"{len(names)} in {models}")
        networks = repository.network_files(models, config_name)
        passport.check(models, networks)
        yield Item("server", "passports", OK, f"{len(networks)} networks are what their passports say, and run here")
    except SetupError as error:
        yield Item("server", name, MISSING, "cannot be served", str(error))


def _ports(host: str) -> Iterator[Item]:
    for service, port in PORTS.items():
        where = f"{host}:{port}"
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((host, port))
                yield Item("ports", service, OK, f"{where} is free")
                continue
            except OSError as error:
                said = error.strerror or str(error)
        if service == "http" and _triton_answers(host, port):
            yield Item("ports", service, OK, f"a Triton server answers at {where}")
        else:
            yield Item("ports", service, ABSENT, f"{where}: {said}", f"vcf serve --{service}-port takes another one")


def _triton_answers(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=PATIENCE_S)
    try:
        connection.request("GET", "/v2/health/ready")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _gib(nbytes: int) -> str:
    return f"{nbytes / 2**30:.1f} GiB"
