# SPDX-License-Identifier: Apache-2.0
import importlib.util
import json

import numpy as np
import pytest

from vcf_benchmarks.harness.result import Result
from vcf_benchmarks.pages import draw
from vcf_benchmarks.waterfall.client import EXCHANGE, ClientRecord, Event
from vcf_benchmarks.waterfall.figures import add_figures
from vcf_benchmarks.waterfall.kinds import Kind
from vcf_benchmarks.waterfall.measure import compared, join, measure, median_study, unaccounted, unstable
from vcf_benchmarks.waterfall.timeline import Account, Part
from vcf_benchmarks.waterfall.trace import TraceFiles, arguments, key
from vcf_client.routes import CROP, VOLUME

MS = 1_000_000


def study(whole_ms: float, covered_ms: float) -> tuple[ClientRecord, Account]:
    """A study of one part, and of time that no part covers."""
    part = Part("decode pixels", Kind.READ, 0, round(covered_ms * MS))
    record = ClientRecord(0, round(whole_ms * MS), (), findings=None)  # type: ignore[arg-type]
    return record, Account(round(whole_ms * MS), (part,), (covered_ms * MS,))


def test_a_remainder_over_the_bound_breaks_the_run() -> None:
    assert unaccounted("crop", [study(1000, 971)]) == []
    (broken,) = unaccounted("crop", [study(1000, 969)])
    assert "31.0 of 1000.0 ms" in broken and "over 30.0 ms" in broken


def test_two_milliseconds_of_a_short_study_are_allowed() -> None:
    assert unaccounted("crop", [study(20, 18.1)]) == []
    assert unaccounted("crop", [study(20, 17.9)])


def test_a_transport_without_a_study_breaks_the_run() -> None:
    assert unaccounted("crop", []) == ["no study by crop can be accounted for"]


def test_the_study_shown_is_one_that_was_measured() -> None:
    assert median_study([study(ms, ms) for ms in (50, 10, 30, 20)])[1].whole_ns == 20 * MS


def test_windows_are_the_thirds_of_the_run() -> None:
    steady = [100.0, 101, 102, 100, 101, 102, 100, 101, 109]
    slower = [*steady[:6], 150.0, 150.0, 150.0]
    assert unstable({"crop": steady}, in_turn=True) == []
    assert "a study by crop, in ms" in unstable({"crop": slower}, in_turn=True)[0]
    assert unstable({"crop": steady[:2]}, in_turn=True) == []


def test_a_slow_minute_that_all_transports_share_is_no_instability_of_theirs() -> None:
    steady = [100.0] * 6
    slow_minute = [100.0, 100.0, 150.0, 150.0, 100.0, 100.0]
    twice = [2 * ms for ms in slow_minute]
    assert unstable({"crop": slow_minute, "shm": twice}, in_turn=True) == []
    assert len(unstable({"crop": slow_minute, "shm": twice}, in_turn=False)) == 2
    assert len(unstable({"crop": slow_minute, "shm": steady}, in_turn=True)) == 2
    assert compared({"crop": [1.0], "shm": [3.0], "volume": [6.0]}) == {
        "crop": [1 / 9],
        "shm": [3 / 7],
        "volume": [6 / 4],
    }


def test_a_request_without_a_trace_is_said_and_its_study_left_out(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(TraceFiles.collect, "__defaults__", (0.05,))
    at = {"GRPC_WAITREAD_END": 2, "REQUEST_START": 2, "COMPUTE_START": 3, "COMPUTE_INPUT_END": 3}
    at |= {"COMPUTE_OUTPUT_START": 6, "COMPUTE_END": 7, "GRPC_SEND_START": 8}
    events = [{"id": 1, "model_name": "sequence_head", "request_id": "traced"}]
    events += [{"id": 1, "timestamps": [{"name": name, "ns": ms * MS}]} for name, ms in at.items()]
    (tmp_path / "trace.0").write_text(json.dumps(events))
    records = [
        ClientRecord(
            0, 10 * MS, (Event(EXCHANGE, 0, 10 * MS, key(name, "sequence_head"), "sequence_head"),), findings=None
        )  # type: ignore[arg-type]
        for name in ("traced", "lost")
    ]
    broken: list[str] = []
    accounts, offset = join({"crop": records}, [], TraceFiles(tmp_path / "trace"), broken)
    assert [record for record, _ in accounts["crop"]] == records[:1]
    assert offset is not None and offset.ns == 0
    assert broken == ["1 of 2 requests left no trace: their studies are left out"]


def test_without_any_trace_nothing_is_accounted_for(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(TraceFiles.collect, "__defaults__", (0.05,))
    record = ClientRecord(0, MS, (Event(EXCHANGE, 0, MS, "lost", "vcf"),), findings=None)  # type: ignore[arg-type]
    broken: list[str] = []
    assert join({"volume": [record]}, [], TraceFiles(tmp_path / "trace"), broken) == ({"volume": []}, None)
    assert broken


@pytest.fixture(scope="module")
def small_series(tmp_path_factory):
    """A short phantom as DICOM files."""
    from vcf_cli import main

    folder = tmp_path_factory.mktemp("phantom")
    options = ["--seed", "3", "--levels", "T6-L3", "--spacing", "3x1.5", "--grades", "none"]
    assert main(["phantom", str(folder), *options]) == 0
    return folder


@pytest.mark.slow
@pytest.mark.server
def test_a_real_study_is_accounted_for_by_two_transports(tiny_repository, small_series, tmp_path) -> None:
    pytest.importorskip("matplotlib")
    if importlib.util.find_spec("pytriton") is None:
        pytest.skip("the Triton server is not installed (nvidia-pytriton)")
    from vcf_server.server import TritonServer

    file = tmp_path / "traces" / "trace"
    file.parent.mkdir()
    with TritonServer(tiny_repository, extra_args=arguments(file)) as server:
        found = measure(server.grpc_url, TraceFiles(file), small_series, [CROP, VOLUME], runs=3, warm_up=1)
        blind = measure(server.grpc_url, None, small_series, [VOLUME], runs=1, warm_up=0)
    # How much belongs to no part is a rule of the benchmark: on a busy machine a process waits where no probe stands.
    assert not [rule for rule in found.broken if "trace" in rule or "answers" in rule]
    # One machine, one monotonic clock: zero is possible, and the probes leave little else.
    assert found.offset is not None and found.offset.ns == 0
    assert found.offset.uncertainty_ns < 20 * MS
    models = {}
    for transport in (CROP, VOLUME):
        assert len(found.accounts[transport]) == 3
        for record, account in found.accounts[transport]:
            assert sum(account.shares_ns) + account.remainder_ns == pytest.approx(account.whole_ns)
            assert account.whole_ns == record.end_ns - record.start_ns
            models[transport] = [part.request for part in account.parts if part.kind is Kind.COMPUTE]
    assert models[CROP].count("vcf_scout") == 2 and models[CROP].count("vcf_crop") == 4
    assert models[VOLUME].count("vcf") == 7
    assert blind.offset is None and "axial_slices" in blind.statistics_ms[VOLUME]

    result = Result("waterfall", {})
    add_figures(result, found)
    written = result.write(tmp_path / "waterfall.json")
    document = json.loads(written.read_text())
    shown = document["figures"]["transports"][CROP]["median_study"]
    assert np.sum([part["of_whole_ms"] for part in shown["parts"]]) + shown["remainder_ms"] == pytest.approx(
        shown["whole_ms"], abs=0.1
    )
    paths = {path.name: path for path in draw(written)}
    assert paths["waterfall-crop.png"].read_bytes().startswith(b"\x89PNG")
    page = paths["waterfall.html"].read_text()
    assert "spine_patches" in page and str(small_series) not in page and str(small_series) not in written.read_text()
