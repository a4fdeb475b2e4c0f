# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest

from vcf_cli import main


def test_text_and_json_say_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "doctor.json"
    code = main(["doctor", "--json", str(file)])
    text = capsys.readouterr().out
    items = json.loads(file.read_text("utf-8"))
    assert all(item["name"] in text and item["fix"] in text for item in items)
    assert code == int(any(item["state"] == "missing" for item in items))
    assert main(["doctor", "--json", "-"]) == code
    assert [item["name"] for item in json.loads(capsys.readouterr().out)] == [item["name"] for item in items]


def test_what_is_missing_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--repository", str(tmp_path / "nowhere")]) == 1
    assert "no model repository" in capsys.readouterr().out
