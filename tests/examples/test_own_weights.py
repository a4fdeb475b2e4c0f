# SPDX-License-Identifier: Apache-2.0
import json
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.examples.conftest import Run

NEEDED = ("tensorflow", "tf2onnx", "pytriton")


@pytest.mark.skipif(any(find_spec(name) is None for name in NEEDED), reason=f"needs {', '.join(NEEDED)}")
@pytest.mark.slow
@pytest.mark.server
def test_the_served_model_is_the_one_that_was_trained(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VCF_CACHE", str(tmp_path / "cache"))
    done = run("own_weights", tmp_path / "own", timeout_s=900)
    assert done.returncode == 0, done.stderr
    manifest = json.loads((tmp_path / "own" / "weights" / "manifest.json").read_text("utf-8"))
    assert manifest["members"]["a"]["settings"]["architecture"]["sequence"] == "bilstm"
    point = json.loads((tmp_path / "own/repository/fracture_findings/1/operating_point.json").read_text("utf-8"))
    last = done.stdout.splitlines()[-1]
    assert re.fullmatch(rf"\d+ patches, score 0\.\d+ by {point['weights_sha256'][:12]}", last)
