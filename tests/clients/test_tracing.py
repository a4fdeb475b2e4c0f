# SPDX-License-Identifier: Apache-2.0
"""One study, one trace: from ``vcf analyze`` to the last model, by a collector that takes what both sides send."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.clients.ct_series import CtSeries
from vcf_benchmarks.trace.collector import Collector, Span, collecting
from vcf_client import tracing
from vcf_contract.contract import VCF_CROP, VCF_SCOUT
from vcf_contract.errors import SetupError

if TYPE_CHECKING:
    from vcf_server.server import TritonServer


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    pytest.importorskip("opentelemetry.proto", reason="the extra otlp is not installed")
    with collecting() as found:
        yield found


@pytest.fixture(scope="module")
def traced(tiny_repository: Path, collector: Collector) -> Iterator["TritonServer"]:
    from vcf_server.server import TritonServer, otlp_arguments

    with TritonServer(tiny_repository, extra_args=otlp_arguments(collector.url)) as server:
        yield server


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("series")
    CtSeries(slices=60).write(folder)
    return folder


def vcf(*words: str) -> "subprocess.CompletedProcess[str]":
    """In a process of its own: OpenTelemetry is set up once a process."""
    return subprocess.run([sys.executable, "-m", "vcf_cli", *words], capture_output=True, text=True, timeout=120)


class Lost(AssertionError):
    """Some spans have not come."""


def settled(collector: Collector, trace_id: str, service: str, names: set[str], longest_s: float = 180) -> list[Span]:
    """The spans of a service in a trace, once all of these have come: Triton sends them every few seconds."""
    until = time.monotonic() + longest_s
    while time.monotonic() < until:
        with collector.lock:
            found = [span for span in collector.spans if span.trace_id == trace_id and span.service == service]
        if names <= {span.name for span in found}:
            return found
        time.sleep(0.2)
    raise Lost(f"of {service} came {sorted(span.name for span in found)}")


MODELS = {entry.name for entry in (VCF_SCOUT, VCF_CROP)} | {
    *("spinal_cord_detector", "centre_line", "spine_patches"),
    *("patch_encoder", "sequence_head", "fracture_findings"),
}


def traced_study(collector: Collector, words: list[str]) -> tuple[Span, list[Span]]:
    """Root and Triton's spans of a study. Triton sends a bundle of spans once: what is lost on the way stays so."""
    tries = 3
    while True:
        tries -= 1
        before = {span.trace_id for span in collector.of("vcf.study")}
        done = vcf(*words)
        assert done.returncode == 0, done.stderr
        (root,) = [span for span in collector.of("vcf.study") if span.trace_id not in before]
        try:
            return root, settled(collector, root.trace_id, "vcf-triton", MODELS, longest_s=60)
        except Lost:
            if not tries:
                raise


@pytest.mark.server
@pytest.mark.slow
def test_one_study_is_one_trace(traced: "TritonServer", collector: Collector, study: Path, tmp_path: Path) -> None:
    words = ["analyze", str(study), "--server", traced.grpc_url, "--report", str(tmp_path), "--otlp", collector.url]
    root, theirs = traced_study(collector, words)
    steps = {"vcf.study", "vcf.analyze", "vcf.read", "vcf.scout", "vcf.network", "vcf.report"}
    ours = {span.name: span for span in settled(collector, root.trace_id, "vcf-analyze", steps)}
    assert set(ours) == steps
    assert root.parent_id == ""
    assert ours["vcf.analyze"].parent_id == ours["vcf.report"].parent_id == root.span_id
    assert {ours[name].parent_id for name in ("vcf.read", "vcf.scout", "vcf.network")} == {ours["vcf.analyze"].span_id}
    for span in ours.values():
        assert root.start_ns <= span.start_ns <= span.end_ns <= root.end_ns
    (scout,) = [span for span in theirs if span.parent_id == ours["vcf.scout"].span_id]
    (crop,) = [span for span in theirs if span.parent_id == ours["vcf.network"].span_id]
    parents = {span.span_id: span for span in theirs}
    for name, request in (("centre_line", scout), ("fracture_findings", crop)):
        (step,) = [span for span in theirs if span.name == name]
        while step.parent_id in parents:
            step = parents[step.parent_id]
        assert step == request, "every model is part of the call that asked for it"


@pytest.mark.server
@pytest.mark.slow
def test_a_trace_holds_nothing_of_the_patient(traced: "TritonServer", collector: Collector, study: Path) -> None:
    assert vcf("analyze", str(study), "--server", traced.grpc_url, "--otlp", collector.url).returncode == 0
    broken = study.parent / "none-here"
    assert vcf("analyze", str(broken), "--server", traced.grpc_url, "--otlp", collector.url).returncode == 2
    with collector.lock:
        text = " ".join(f"{span.name} {span.attributes}" for span in collector.spans)
    for word in ("Müller", "P1", "19500102", str(study), "none-here"):
        assert word not in text


def test_without_opentelemetry_nothing_is_imported_or_sent() -> None:
    script = (
        "import sys; from vcf_client import tracing\n"
        "with tracing.span('read'): print(tracing.headers(), 'opentelemetry' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout == "() False\n"


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
    with pytest.raises(SetupError, match=r"traces need opentelemetry.*vcf-triton\[otlp\]"):
        tracing.export_to("http://127.0.0.1:4318/v1/traces", "test")


def test_an_address_that_is_none_is_wrong_usage() -> None:
    done = vcf("serve", "--otlp", "collector:4318")
    assert done.returncode == 64
    assert "http://HOST:4318/v1/traces" in done.stderr
