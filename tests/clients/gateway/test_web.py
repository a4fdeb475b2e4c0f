# SPDX-License-Identifier: Apache-2.0
"""What goes out to a DICOMweb service: the token of the moment, and no word to a proxy."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import BytesIO
from pathlib import Path

import pytest

from tests.clients.ct_series import CtSeries
from vcf_client.gateway.config import Pacs, Poll
from vcf_client.gateway.delivery import NotDelivered, WebSender
from vcf_client.gateway.web import connect
from vcf_server.ports import free_port


class Service(BaseHTTPRequestHandler):
    """Answers every search with nothing and every store with 503."""

    seen: list[str | None]

    def do_GET(self) -> None:
        self.seen.append(self.headers["Authorization"])
        self.send_response(204)
        self.end_headers()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(503)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def service() -> Iterator[tuple[str, list[str | None]]]:
    seen: list[str | None] = []
    handler = type("Seen", (Service,), {"seen": seen})
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", seen
    server.shutdown()
    thread.join()
    server.server_close()


def one_file() -> bytes:
    content = BytesIO()
    CtSeries(slices=1).images()[0].save_as(content, enforce_file_format=True)
    return content.getvalue()


def test_the_token_is_read_for_each_request_and_no_proxy_is_asked(
    service: tuple[str, list[str | None]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, seen = service
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    token = tmp_path / "token"
    client = connect(Poll(url, token_file=str(token)))
    for value in ("first", "second"):
        token.write_text(f"{value}\n")
        client.search_for_studies()
    assert seen == ["Bearer first", "Bearer second"]


def test_a_service_that_cannot_take_a_result_says_so(service: tuple[str, list[str | None]]) -> None:
    url, _ = service
    assert WebSender(Pacs(dicomweb_url=url)).send([one_file()]) == ["HTTP status 503"]


def test_a_service_that_is_not_there() -> None:
    with pytest.raises(NotDelivered, match="not reached"):
        WebSender(Pacs(dicomweb_url=f"http://127.0.0.1:{free_port()}")).send([one_file()])
