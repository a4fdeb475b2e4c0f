# SPDX-License-Identifier: Apache-2.0
"""Answers to STOW-RS, read item by item; and what goes out, read back with the standard library's parser."""

import json
import threading
from collections.abc import Iterator
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from requests import Response

from tests.clients.gateway.test_delivery import results
from vcf_client.gateway.config import Pacs
from vcf_client.gateway.delivery import NotDelivered, WebSender
from vcf_client.gateway.stow import objection

ONE, TWO = "1.2.3.1", "1.2.3.2"


def item(uid: str, reason: int | None = None) -> dict[str, Any]:
    data_set: dict[str, Any] = {
        "00081150": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.7"]},
        "00081155": {"vr": "UI", "Value": [uid]},
    }
    if reason is not None:
        data_set["00081197"] = {"vr": "US", "Value": [reason]}
    return data_set


def answer(*, stored: tuple[str, ...] = (), failed: dict[str, int | None] | None = None) -> dict[str, Any]:
    data_set: dict[str, Any] = {}
    if stored:
        data_set["00081199"] = {"vr": "SQ", "Value": [item(uid) for uid in stored]}
    if failed:
        data_set["00081198"] = {"vr": "SQ", "Value": [item(uid, reason) for uid, reason in failed.items()]}
    return data_set


def response(status: int, content: object = b"", kind: str = "application/dicom+json") -> Response:
    made = Response()
    made.status_code = status
    made.headers["Content-Type"] = kind
    made._content = content if isinstance(content, bytes) else json.dumps(content).encode()
    return made


@pytest.mark.parametrize("status", [200, 202, 409])
def test_partial_answers_item_by_item(status: int) -> None:
    partial = response(status, answer(stored=(ONE,), failed={TWO: 0xA700, "1.2.3.3": 0x0111, "1.2.3.4": None}))
    assert objection(partial, ONE) == ""
    assert objection(partial, TWO) == "refused, reason A700"
    assert objection(partial, "1.2.3.3") == ""
    assert objection(partial, "1.2.3.4") == "refused"
    assert objection(partial, "1.2.3.5") == f"HTTP status {status}"


@pytest.mark.parametrize(
    "kind", ["application/dicom+json", "application/dicom+json; charset=utf-8", "application/json"]
)
@pytest.mark.parametrize("status", [200, 202, 409])
def test_a_duplicate_is_delivered(status: int, kind: str) -> None:
    assert objection(response(status, answer(failed={ONE: 0x0111}), kind), ONE) == ""
    assert objection(response(status, [answer(failed={ONE: 0x0111})], kind), ONE) == "", "in a list, as some answer"


@pytest.mark.parametrize(("reason", "said"), [(0x0110, "refused, reason 0110"), (0xC000, "refused, reason C000")])
def test_any_other_reason_is_not(reason: int, said: str) -> None:
    for status in (200, 202, 409):
        assert objection(response(status, answer(failed={ONE: reason})), ONE) == said


def test_a_success_without_items_is_one_and_nothing_else_is() -> None:
    assert objection(response(200), ONE) == ""
    assert objection(response(200, {}), ONE) == ""
    for status in (202, 301, 307, 400, 401, 404, 409, 413, 500, 503):
        assert objection(response(status), ONE) == f"HTTP status {status}"
        assert objection(response(status, b"<html>no</html>", "text/html"), ONE) == f"HTTP status {status}"


@pytest.mark.parametrize(
    "content", [b"{", b"[3]", b'{"00081198": 3}', b'{"00081198": {"Value": [3]}}', b"null", b"\xff"]
)
def test_answers_that_make_no_sense_deliver_nothing(content: bytes) -> None:
    assert objection(response(409, content), ONE) == "HTTP status 409"


def test_xml() -> None:
    text = f"""<?xml version="1.0"?><NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM">
    <DicomAttribute tag="00081198" vr="SQ" keyword="FailedSOPSequence">
    <Item number="1"><DicomAttribute tag="00081155" vr="UI"><Value number="1">{ONE}</Value></DicomAttribute>
    <DicomAttribute tag="00081197" vr="US"><Value number="1">273</Value></DicomAttribute></Item>
    <Item number="2"><DicomAttribute tag="00081155" vr="UI"><Value number="1">{TWO}</Value></DicomAttribute>
    <DicomAttribute tag="00081197" vr="US"><Value number="1">272</Value></DicomAttribute></Item>
    </DicomAttribute></NativeDicomModel>"""
    answered = response(409, text.encode(), "application/dicom+xml")
    assert objection(answered, ONE) == ""
    assert objection(answered, TWO) == "refused, reason 0110"
    assert objection(response(409, b"<a", "application/dicom+xml"), ONE) == "HTTP status 409"


class Service(BaseHTTPRequestHandler):
    """Keeps what it gets, and answers the status and content that it was made with."""

    got: list[tuple[str, bytes]]
    status, content = 200, b""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        message = BytesParser().parsebytes(f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode() + body)
        for part in message.get_payload():
            assert part.get_content_type() == "application/dicom"
            self.got.append((self.path, part.get_payload(decode=True)))
        self.send_response(self.status)
        if self.status == 302:
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Type", "application/dicom+json")
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        self.wfile.write(self.content)

    def do_GET(self) -> None:
        raise AssertionError("a redirect was followed")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def service() -> Iterator[tuple[str, type[Service]]]:
    handler = type("Kept", (Service,), {"got": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/rs/", handler
    server.shutdown()
    thread.join()
    server.server_close()


def test_files_arrive_byte_for_byte(service: tuple[str, type[Service]]) -> None:
    url, handler = service
    files = results()
    assert WebSender(Pacs(dicomweb_url=url)).send(files) == ["", ""]
    assert handler.got == [("/rs/studies", file) for file in files]


def test_a_redirect_is_not_followed(service: tuple[str, type[Service]]) -> None:
    url, handler = service
    handler.status = 302
    assert WebSender(Pacs(dicomweb_url=url)).send(results()) == ["HTTP status 302"] * 2


def test_a_service_that_hangs_up_has_other_words_than_one_that_is_not_there(
    service: tuple[str, type[Service]],
) -> None:
    url, handler = service
    handler.send_response = lambda self, _: self.connection.close()  # type: ignore[method-assign,assignment]
    handler.handle_error = lambda *_: None  # type: ignore[attr-defined]
    with pytest.raises(NotDelivered, match="aborted"):
        WebSender(Pacs(dicomweb_url=url)).send(results())
