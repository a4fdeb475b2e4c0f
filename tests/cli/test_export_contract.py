# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest

from vcf_cli import main
from vcf_contract.version import VERSION
from vcf_export import contract_document


def test_printed_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "contract"]) == 0
    assert json.loads(capsys.readouterr().out) == contract_document.document()
    file = tmp_path / "contract.json"
    assert main(["export", "contract", "--json", str(file)]) == 0
    assert file.read_text("utf-8") == contract_document.text()


def test_against_an_older_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "older.json"
    old = contract_document.document()
    file.write_text(json.dumps(old))
    assert main(["export", "contract", "--against", str(file)]) == 0
    assert f"{VERSION} to {VERSION}: nothing changed" in capsys.readouterr().out
    old["entry_models"]["vcf"]["outputs"].append({"name": "gone", "dtype": "FP32", "shape": [1]})
    file.write_text(json.dumps(old))
    assert main(["export", "contract", "--against", str(file)]) == 1
    assert "there is a major" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["no JSON", "[]", "{}", '{"findings": 3}'])
def test_what_is_no_document(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "other.json"
    file.write_text(text)
    assert main(["export", "contract", "--against", str(file)]) == 1
    assert "is no document of `vcf export contract`" in capsys.readouterr().err
