# SPDX-License-Identifier: Apache-2.0
"""A reverse proxy before a DICOMweb service: answers as short as services give them, and a log of when it was asked."""

import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler

import requests

from tests.http_service import HttpService


class LimitedProxy(HttpService):
    """Forwards GET and POST to ``target``; use it as a context manager.

    Parameters
    ----------
    page
        Most rows that a search may ask for.
    port
        0 takes a free one.
    """

    def __init__(self, target: str, page: int = 10**6, port: int = 0) -> None:
        super().__init__(_Handler, port)
        self.target, self.page = target, page
        self.times_s: list[float] = []
        self.asked: list[str] = []
        self.before: Callable[[str], None] = lambda path: None
        self.before_file: Callable[[str, bool], None] = lambda path, is_file: None

    @property
    def dicomweb_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/dicom-web"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    service: LimitedProxy

    def do_GET(self) -> None:
        self.service.times_s.append(time.monotonic())
        self.service.asked.append(self.path)
        is_file = "multipart/related" in self.headers.get("Accept", "")
        self.service.before(self.path)
        self.service.before_file(self.path, is_file)
        path = self.path
        if not is_file and "limit=" not in path:
            path += f"{'&' if '?' in path else '?'}limit={self.service.page}"
        answer = requests.get(self.service.target + path, headers={"Accept": self.headers["Accept"]}, timeout=300)
        self._send(answer)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {"Content-Type": self.headers["Content-Type"], "Accept": self.headers.get("Accept", "*/*")}
        self._send(requests.post(self.service.target + self.path, data=body, headers=headers, timeout=300))

    def _send(self, answer: requests.Response) -> None:
        self.send_response(answer.status_code)
        self.send_header("Content-Type", answer.headers.get("Content-Type", "text/plain"))
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    def log_message(self, *_: object) -> None:
        pass
