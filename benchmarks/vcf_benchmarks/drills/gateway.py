# SPDX-License-Identifier: Apache-2.0
"""A gateway that takes studies from a good peer while three hundred connections mean it no good."""

import random
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE
from pynetdicom.sop_class import CTImageStorage

from vcf_benchmarks.drills.damaged import damage, series
from vcf_benchmarks.drills.figures import Line
from vcf_benchmarks.harness.memory import private_bytes
from vcf_client.findings import Findings
from vcf_client.gateway.config import Config, Pacs
from vcf_client.gateway.service import Gateway
from vcf_client.study import Study
from vcf_contract.errors import ServerUnavailable

HOSTILE = 300
STUDIES, IMAGES = 10, 30
MOST_GROWTH_MIB = 200
AE_TITLE = "VCF"


def run() -> list[Line]:
    """A good peer sends studies, one association each, while the others are at it."""
    with tempfile.TemporaryDirectory(prefix="vcf-drills-") as spool:
        gateway = subprocess.Popen(
            [sys.executable, "-m", __name__, spool], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        try:
            assert gateway.stdout is not None
            port = int(gateway.stdout.readline())
            before = private_bytes(gateway.pid)
            crowd = _Crowd(port)
            crowd.start()
            time.sleep(2)
            took_s, wrong = _good_peer(port)
            connections = crowd.stop()
            grown = private_bytes(gateway.pid) - before
        finally:
            gateway.kill()
            gateway.communicate()
    return [
        Line("gateway", "hostile connections at a time", HOSTILE, unit="connections"),
        Line("gateway", "hostile connections in all, as many were closed on them", connections, unit="connections"),
        Line("gateway", f"images of a good peer that were not taken, of {STUDIES * IMAGES}", wrong, goal=0),
        Line("gateway", f"longest study of the good peer, {IMAGES} images", round(max(took_s), 1), 58, "s", "58 s"),
        Line("gateway", "memory that the gateway grew by", grown >> 20, MOST_GROWTH_MIB, "MiB", "600 MB by one PDU"),
        Line("gateway", "damaged objects answered with A700, of 300", _damaged_objects(), 0, "", "6"),
    ]


def _good_peer(port: int) -> tuple[list[float], int]:
    images: list[Dataset] = [pydicom.dcmread(BytesIO(content)) for content in series()[:IMAGES]]
    took_s, wrong = [], 0
    for _ in range(STUDIES):
        started = time.monotonic()
        wrong += sum(status != 0x0000 for status in _send(port, _renamed(images)))
        took_s.append(time.monotonic() - started)
    return took_s, wrong


def _renamed(images: list[Dataset]) -> list[Dataset]:
    study, one = generate_uid(), generate_uid()
    for image in images:
        image.StudyInstanceUID, image.SeriesInstanceUID = study, one
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    return images


def _send(port: int, images: list[Dataset]) -> list[int | None]:
    ae = AE("GOOD")
    ae.add_requested_context(CTImageStorage, ExplicitVRLittleEndian)
    association = ae.associate("127.0.0.1", port, ae_title=AE_TITLE)
    if not association.is_established:
        return [None] * len(images)
    try:
        statuses = [getattr(association.send_c_store(image), "Status", None) for image in images]
    except RuntimeError:  # the association has gone
        return [None] * len(images)
    association.release()
    return statuses


def _damaged_objects(count: int = 300, seed: int = 0) -> int:
    """Tell how many of so many damaged data sets a gateway says of that they are to be sent again."""
    from vcf_client.gateway.intake import Status  # noqa: PLC0415
    from vcf_client.gateway.receive import Receiver  # noqa: PLC0415

    rng = random.Random(seed)
    good = series()[0]
    again = 0
    with (
        tempfile.TemporaryDirectory(prefix="vcf-drills-") as spool,
        Gateway(_config(Path(spool)), _NoServer()) as gateway,
    ):
        receiver: Receiver = gateway._receiver
        for _ in range(count):
            again += receiver._on_store(_Event(damage(good, rng))) == Status.OUT_OF_RESOURCES
    return again


class _Event:
    """It is as much of pynetdicom's as the handler of C-STORE looks at."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.request = SimpleNamespace(AffectedSOPClassUID=CTImageStorage, AffectedSOPInstanceUID=UID("1.2"))
        self.assoc = SimpleNamespace(requestor=SimpleNamespace(ae_title="GOOD", address="127.0.0.1"))

    def encoded_dataset(self) -> bytes:
        return self._content


class _Crowd:
    """So many connections at a time, each opened anew as soon as the gateway closes it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._stop = threading.Event()
        self._opened = 0
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        """Open all of them."""
        self._thread.start()

    def stop(self) -> int:
        """Close them; how many there were in all."""
        self._stop.set()
        self._thread.join()
        return self._opened

    def _run(self) -> None:
        rng = random.Random(0)
        peers: list[socket.socket] = []
        while not self._stop.is_set():
            while len(peers) < HOSTILE and not self._stop.is_set():
                with suppress(OSError):
                    peer = socket.create_connection(("127.0.0.1", self._port), 5)
                    peer.sendall(rng.choice(_SAID))
                    peer.setblocking(False)
                    peers.append(peer)
                    self._opened += 1
            peers = [peer for peer in peers if _is_open(peer, rng)]
            time.sleep(0.2)
        for peer in peers:
            peer.close()


def _is_open(peer: socket.socket, rng: random.Random) -> bool:
    try:
        if rng.random() < 0.1:
            peer.send(b"\0")
        if peer.recv(4096):
            return True
    except BlockingIOError:
        return True
    except OSError:
        pass
    peer.close()
    return False


_SAID = (
    b"",
    b"",
    b"\x01",
    struct.pack(">BBL", 1, 0, 200) + bytes(50),
    struct.pack(">BBL", 1, 0, 200) + bytes(200),
    struct.pack(">BBL", 1, 0, 2**32 - 1) + bytes(4000),
    struct.pack(">BBL", 4, 0, 2**32 - 1) + bytes(4000),
    b"GET / HTTP/1.1\r\n\r\n",
    random.Random(1).randbytes(300),
)


class _NoServer:
    """An analysis that is never possible: what comes stays."""

    def is_ready(self) -> bool:
        return False

    def analyze(self, study: Study, *, priority: str | None = None) -> Findings:
        raise ServerUnavailable("there is none in this drill")


def _config(spool: Path) -> Config:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    return Config(spool=spool / "spool", pacs=Pacs("PACS", "127.0.0.1", 9), port=port, ae_title=AE_TITLE)


def _serve(spool: str) -> None:
    config = _config(Path(spool))
    with Gateway(config, _NoServer()):
        print(config.port, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    _serve(sys.argv[1])
