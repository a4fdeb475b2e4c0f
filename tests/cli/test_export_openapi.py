# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest

from vcf_cli import main
from vcf_export import openapi_document


def test_printed_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "openapi"]) == 0
    assert json.loads(capsys.readouterr().out) == openapi_document.document()
    file = tmp_path / "openapi.json"
    assert main(["export", "openapi", "--json", str(file)]) == 0
    assert file.read_text("utf-8") == openapi_document.text()
