# SPDX-License-Identifier: Apache-2.0
import json

import pytest

from vcf_benchmarks.harness import schema
from vcf_benchmarks.harness.result import SCHEMA, Result
from vcf_contract.errors import SetupError


def test_a_result_of_the_present_schema_is_read_as_it_was_written(tmp_path) -> None:
    path = Result("floor", {"runs": 3}, {"a": 1}).write(tmp_path / "floor.json")
    assert schema.read(path) == json.loads(path.read_text())


def test_the_first_schema_called_serving_overhead_tax(tmp_path) -> None:
    path = tmp_path / "tax.json"
    target = {"name": "serving tax, p50 crop over in one process", "value": 1.1}
    path.write_text(json.dumps({"kind": "tax", "targets": [target], "figures": {"answers": 3}}))
    found = schema.read(path)
    assert (found["kind"], found["schema"], found["figures"]) == ("overhead", SCHEMA, {"answers": 3})
    assert found["targets"] == [{"name": "serving overhead, p50 crop over in one process", "value": 1.1}]


def test_the_first_schema_called_transports_wires(tmp_path) -> None:
    path = tmp_path / "waterfall.json"
    part = {"part": "request", "kind": "wire", "door": "vcf_crop", "of_whole_ms": 2.0}
    of_crop = {
        "kinds_ms": {"wire": 2.0, "findings": 1.0},
        "split_ms": {"network": 2.0, "wire and server, not told apart": 0.0},
        "median_study": {"whole_ms": 3.0, "parts": [part]},
    }
    path.write_text(
        json.dumps({"kind": "waterfall", "settings": {"wires": ["crop"]}, "figures": {"wires": {"crop": of_crop}}})
    )
    found = schema.read(path)
    assert found["settings"] == {"transports": ["crop"]}
    crop = found["figures"]["transports"]["crop"]
    assert crop["kinds_ms"] == {"network": 2.0, "findings": 1.0}
    assert crop["split_ms"] == {"network": 2.0, "network and server together": 0.0}
    assert crop["median_study"]["parts"] == [
        {"part": "request", "kind": "network", "request": "vcf_crop", "of_whole_ms": 2.0}
    ]


@pytest.mark.parametrize("number", [1, SCHEMA])
def test_the_transport_of_a_load_test_was_called_wire(tmp_path, number: int) -> None:
    path = tmp_path / "latency.json"
    path.write_text(json.dumps({"kind": "latency", "schema": number, "settings": {"wire": "shm", "seed": 1}}))
    assert schema.read(path)["settings"] == {"transport": "shm", "seed": 1}


@pytest.mark.parametrize("text", ["no json", "[]", "{}", "3"])
def test_what_is_no_result_is_refused(tmp_path, text: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(SetupError, match="is no result of `vcf bench`"):
        schema.read(path)


def test_a_file_that_is_not_there_and_a_schema_to_come_are_said(tmp_path) -> None:
    with pytest.raises(SetupError, match="cannot be read"):
        schema.read(tmp_path / "none.json")
    later = tmp_path / "later.json"
    later.write_text(json.dumps({"kind": "floor", "schema": SCHEMA + 1}))
    with pytest.raises(SetupError, match=f"schema {SCHEMA + 1}; this version reads 1 to {SCHEMA}"):
        schema.read(later)
