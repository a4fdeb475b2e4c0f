# SPDX-License-Identifier: Apache-2.0
import json
import threading

import pytest

from vcf_benchmarks.waterfall.trace import TraceFiles, key, parse

EVENTS = [
    # As Triton 2.51 writes them: a step before its parent, one stamp an entry.
    {"id": 3, "model_name": "centre_line", "model_version": 1, "request_id": "r-1", "parent_id": 1},
    {"id": 3, "timestamps": [{"name": "REQUEST_START", "ns": 30}]},
    {"id": 2, "model_name": "spinal_cord_detector", "model_version": 1, "request_id": "r-1", "parent_id": 1},
    {"id": 2, "timestamps": [{"name": "REQUEST_START", "ns": 20}]},
    {"id": 2, "timestamps": [{"name": "COMPUTE_START", "ns": 21}, {"name": "COMPUTE_END", "ns": 29}]},
    {"id": 1, "model_name": "vcf_scout", "model_version": 1, "request_id": "r-1"},
    {"id": 1, "timestamps": [{"name": "GRPC_WAITREAD_END", "ns": 9}]},
]


def test_steps_are_put_in_order_below_their_entry_model() -> None:
    (trace,) = parse(EVENTS)
    assert (trace.request_id, trace.request.model) == ("r-1", "vcf_scout")
    assert trace.request.at_ns == {"GRPC_WAITREAD_END": 9}
    assert [step.model for step in trace.steps] == ["spinal_cord_detector", "centre_line"]
    assert trace.steps[0].at_ns == {"REQUEST_START": 20, "COMPUTE_START": 21, "COMPUTE_END": 29}


def test_only_what_was_asked_for_and_what_is_there_comes_back(tmp_path) -> None:
    (tmp_path / "trace.0").write_text(json.dumps(EVENTS))
    files = TraceFiles(tmp_path / "trace")
    assert files.collect([key("r-1", "vcf_scout")]).keys() == {key("r-1", "vcf_scout")}
    assert files.collect([key("r-1", "vcf_scout"), "r-2"], wait_s=0.05).keys() == {key("r-1", "vcf_scout")}
    assert files.collect(["r-2"], wait_s=0.05) == {}


def test_a_file_that_is_still_being_written_is_waited_for(tmp_path) -> None:
    path, text = tmp_path / "trace.0", json.dumps(EVENTS)
    path.write_text(text[: len(text) // 2])
    later = threading.Timer(0.1, path.write_text, [text])
    later.start()
    try:
        assert TraceFiles(tmp_path / "trace").collect([key("r-1", "vcf_scout")], wait_s=10).keys() == {
            key("r-1", "vcf_scout")
        }
    finally:
        later.join()


@pytest.mark.parametrize("events", [[], [{"id": 1, "timestamps": []}]])
def test_stamps_without_a_model_are_no_request(events) -> None:
    assert parse(events) == []
