# SPDX-License-Identifier: Apache-2.0
"""A collector of traces: it takes OTLP over HTTP as Triton sends it (JSON) and as Python's exporter does (protobuf)."""

import base64
import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Span:
    """One step; ids in hexadecimal, times in nanoseconds since 1970."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    start_ns: int
    end_ns: int
    attributes: str
    """As JSON."""


@dataclass
class Collector:
    """Tell what has come so far."""

    url: str
    spans: list[Span] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, body: bytes, kind: str) -> None:
        """Keep the spans of a message."""
        if kind.startswith("application/json"):
            document = json.loads(body)
        else:
            document = MessageToDict(ExportTraceServiceRequest.FromString(body))
        as_text = (lambda value: value) if kind.startswith("application/json") else _hexadecimal
        with self.lock:
            for resource in document["resourceSpans"]:
                names = [
                    attribute["value"]["stringValue"]
                    for attribute in resource["resource"]["attributes"]
                    if attribute["key"] == "service.name"
                ]
                for scope in resource["scopeSpans"]:
                    self.spans += [
                        Span(
                            names[0],
                            span["name"],
                            as_text(span["traceId"]).lower(),
                            as_text(span["spanId"]).lower(),
                            as_text(span.get("parentSpanId", "")).lower(),
                            int(span["startTimeUnixNano"]),
                            int(span["endTimeUnixNano"]),
                            json.dumps(span.get("attributes", [])),
                        )
                        for span in scope["spans"]
                    ]

    def of(self, name: str) -> list[Span]:
        """All spans of a name."""
        with self.lock:
            return [span for span in self.spans if span.name == name]


def _hexadecimal(text: str) -> str:
    """Protobuf's JSON has bytes in base 64."""
    return base64.b64decode(text).hex()


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            collector.take(body, self.headers["Content-Type"])
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector = Collector(f"http://127.0.0.1:{server.server_address[1]}/v1/traces")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
