# SPDX-License-Identifier: Apache-2.0
"""What Prometheus and a kubelet see of the gateway."""

import io
import json
import logging
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.clients.ct_series import CtSeries
from tests.clients.gateway.conftest import wait_for
from tests.clients.gateway.fake_analyzer import FakeAnalyzer
from tests.clients.gateway.peers import Archive, store
from vcf_client.gateway import log
from vcf_client.gateway.config import Config, Metrics
from vcf_client.gateway.service import Gateway
from vcf_contract.errors import SetupError
from vcf_server.ports import free_port


@pytest.fixture
def watched(config: Config) -> Config:
    return replace(config, metrics=Metrics(port=free_port()))


def get(config: Config, path: str) -> tuple[int, str]:
    assert config.metrics
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{config.metrics.port}{path}", timeout=300) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""


def samples(config: Config) -> dict[tuple[str, str], float]:
    """By name and label; read by Prometheus' own parser."""
    status, text = get(config, "/metrics")
    assert status == 200
    return {
        (sample.name, next(iter(sample.labels.values()), "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_counts_are_those_of_the_journal(watched: Config, analyzer: FakeAnalyzer, archive: Archive) -> None:
    with Gateway(watched, analyzer):
        assert get(watched, "/ready")[0] == get(watched, "/live")[0] == 200
        assert get(watched, "/elsewhere")[0] == 404
        store(watched.port, CtSeries().images())
        wait_for(lambda: samples(watched).get(("vcf_gateway_studies", "done")) == 1)
        found = samples(watched)
        assert found["vcf_gateway_results", "sent"] == 2
        assert found["vcf_gateway_server_ready", ""] == 1
        assert found["vcf_gateway_spool_bytes", ""] > 0
        assert all("Müller" not in name + label for name, label in found)
    with pytest.raises(urllib.error.URLError):
        get(watched, "/live")


def test_a_part_that_has_ended_is_not_alive(watched: Config, analyzer: FakeAnalyzer) -> None:
    with Gateway(watched, analyzer) as gateway:
        gateway._stop.set()
        wait_for(lambda: get(watched, "/live")[0] == 503)
        assert get(watched, "/ready")[0] == 503


def test_a_port_that_is_taken_is_named(watched: Config, analyzer: FakeAnalyzer) -> None:
    assert watched.metrics
    with (
        socket.create_server(("127.0.0.1", watched.metrics.port)),
        pytest.raises(SetupError, match=rf"{watched.metrics.port} for metrics"),
        Gateway(watched, analyzer),
    ):
        pass


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    before = (log.logger.handlers, log.logger.propagate, log.logger.level, root.handlers, root.level)
    yield
    log.logger.handlers, log.logger.propagate, root.handlers = before[0], before[1], before[3]
    log.logger.setLevel(before[2])
    root.setLevel(before[4])


def test_json_logs_are_an_object_a_line(logging_as_before: None, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys
    import threading
    import warnings

    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    stream = io.StringIO()
    with warnings.catch_warnings():
        log.configure(stream, "json")
        log.logger.warning("study %s waits\nfor the server", "abc")
    (line,) = stream.getvalue().splitlines()
    document = json.loads(line)
    assert document["level"] == "warning" and document["message"] == "study abc waits\nfor the server"
    assert document["time"].endswith("+00:00")
