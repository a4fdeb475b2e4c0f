# SPDX-License-Identifier: Apache-2.0
"""A DICOMweb service for the tests: as limited as services are, and as unreliable as a test wants it."""

import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from tests.http_service import HttpService

Rows = list[dict[str, Any]]


class HangUp(Exception):
    """Ends the connection where it stands."""


@dataclass
class Manners:
    """How a service answers; the methods may be replaced, one request at a time.

    page
        Most rows of an answer to a search.
    ignores_offset
        Begins at the first row every time.
    counts
        Whether it tells numbers of instances.
    most_images
        Of a WADO-RS answer for a whole series.
    """

    page: int = 10**6
    ignores_offset: bool = False
    counts: bool = True
    most_images: int = 10**6
    before: Callable[[str], None] = lambda path: None
    """Called with the path of each request; may raise HangUp, or an int for an HTTP status."""
    rows: Callable[[str, Rows], Rows] = lambda path, rows: rows
    files: Callable[[str, list[bytes]], list[bytes]] = lambda path, files: files
    body: Callable[[str, bytes], bytes] = lambda path, body: body
    """Of a WADO-RS answer; one that is shorter than it was breaks off, as its length is announced before."""


class Status(Exception):
    """An HTTP status instead of an answer."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@dataclass
class DicomWeb(HttpService):
    """Serves data sets by QIDO-RS and WADO-RS; use it as a context manager."""

    images: list[Dataset] = field(default_factory=list)
    manners: Manners = field(default_factory=Manners)
    asked: Counter[str] = field(default_factory=Counter)
    """How often each path was asked for, without its query."""

    def __post_init__(self) -> None:
        super().__init__(_Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/dicom-web"

    def of(self, study: str, series: str = "", sop: str = "") -> list[Dataset]:
        return [
            image
            for image in list(self.images)
            if image.StudyInstanceUID == study
            and series in ("", image.SeriesInstanceUID)
            and sop in ("", image.SOPInstanceUID)
        ]

    def find(self, path: str, query: dict[str, list[str]]) -> Rows:
        parts = path.strip("/").split("/")
        if parts == ["studies"]:
            return [self._study(uid) for uid in dict.fromkeys(str(i.StudyInstanceUID) for i in list(self.images))]
        if parts[2:] == ["series"]:
            found = self.of(parts[1])
            wanted = query.get("Modality", [""])[0]
            uids = dict.fromkeys(str(i.SeriesInstanceUID) for i in found if wanted in ("", i.Modality))
            return [self._series(parts[1], uid) for uid in uids]
        return [
            {"00080018": _element("UI", str(i.SOPInstanceUID)), "00080016": _element("UI", str(i.SOPClassUID))}
            for i in self.of(parts[1], parts[3])
        ]

    def _study(self, uid: str) -> dict[str, Any]:
        count = {"00201208": _element("IS", len(self.of(uid)))} if self.manners.counts else {}
        return {"0020000D": _element("UI", uid), **count}

    def _series(self, study: str, uid: str) -> dict[str, Any]:
        images = self.of(study, uid)
        count = {"00201209": _element("IS", len(images))} if self.manners.counts else {}
        return {"0020000E": _element("UI", uid), "00080060": _element("CS", images[0].Modality), **count}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet; two would wait for each other's acknowledgement
    service: DicomWeb

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        path = url.path.removeprefix("/dicom-web")
        self.service.asked[path] += 1
        try:
            self.service.manners.before(path)
            if re.fullmatch("/studies(/[^/]+/series(/[^/]+/instances)?)?", path):
                self._search(path, parse_qs(url.query))
            else:
                self._retrieve(path)
        except Status as status:
            self._answer(status.number, "text/html", b"<html>no</html>")
        except HangUp:
            self.close_connection = True
            self.connection.close()

    def _search(self, path: str, query: dict[str, list[str]]) -> None:
        manners = self.service.manners
        offset = 0 if manners.ignores_offset else int(query.get("offset", ["0"])[0])
        limit = min(manners.page, int(query.get("limit", [10**6])[0]))
        rows = manners.rows(path, self.service.find(path, query)[offset : offset + limit])
        self._answer(200 if rows else 204, "application/dicom+json", json.dumps(rows).encode() if rows else b"")

    def _retrieve(self, path: str) -> None:
        parts = path.strip("/").split("/")
        found = self.service.of(parts[1], parts[3], parts[5] if len(parts) > 4 else "")
        if not found:
            raise Status(404)
        files = self.service.manners.files(path, [file_of(i) for i in found[: self.service.manners.most_images]])
        body = b"".join(b"--=_b'(b)\r\nContent-Type: application/dicom\r\n\r\n" + file + b"\r\n" for file in files)
        body += b"--=_b'(b)--\r\n"
        sent = self.service.manners.body(path, body)
        kind = 'multipart/related; type="application/dicom"; boundary="=_b\'(b)"'
        self._answer(200, kind, sent, max(len(sent), len(body)))
        if len(sent) < len(body):
            raise HangUp

    def _answer(self, status: int, kind: str, body: bytes, length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        pass


def file_of(image: Dataset) -> bytes:
    """A data set as a DICOM file."""
    content = BytesIO()
    image.save_as(content, enforce_file_format=True)
    return content.getvalue()


def other_object(image: Dataset) -> Dataset:
    """A secondary capture that goes by the modality of the CT."""
    image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    return image


def _element(vr: str, value: object) -> dict[str, Any]:
    return {"vr": vr, "Value": [value]}
