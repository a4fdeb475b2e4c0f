# SPDX-License-Identifier: Apache-2.0
"""The plugin in the real Orthanc (packages orthanc, orthanc-python), with the real server behind it."""

import json
import sys
import sysconfig
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.clients.ct_series import CtSeries
from tests.clients.gateway.orthanc import Orthanc
from tests.examples.conftest import EXAMPLES
from vcf_client import VcfClient
from vcf_server.server import TritonServer

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancPython.so")
SCRIPT = EXAMPLES / "orthanc" / "vcf_plugin.py"


def test_is_short_and_shows_its_settings() -> None:
    text = SCRIPT.read_text("utf-8")
    assert len(text.splitlines()) <= 60
    assert '"PythonScript": ' in text and '"UserMetadata": ' in text


class WithPlugin(Orthanc):
    """Orthanc that runs the script, in the packages of this Python."""

    def __init__(self, folder: Path, server: str) -> None:
        super().__init__(folder, {})
        self._settings |= {
            "Plugins": [str(PLUGIN)],
            "PythonScript": str(SCRIPT),
            "UserMetadata": {"VcfFindings": 4200},
            "StableAge": 1,
            "Vcf": {"Server": server, "DeadlineSeconds": 120},
        }

    def said(self, study: str) -> Any:
        """The metadata, as soon as it is there."""
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            answer = requests.get(f"{self.url}/studies/{study}/metadata/VcfFindings", timeout=120)
            if answer.ok:
                return answer.json()
            time.sleep(0.2)
        raise TimeoutError((self._folder / "orthanc.log").read_text("utf-8", "replace")[-2000:])


@pytest.mark.slow
@pytest.mark.server
@pytest.mark.skipif(not PLUGIN.exists(), reason="orthanc-python is not installed")
@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="Debian's plugin runs Python 3.11")
def test_a_stable_study_is_analysed(
    triton_server: TritonServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The packages of this environment alone: Debian's own, which the plugin would take too, are of other versions.
    library = tmp_path / "python" / "lib" / "python3.11"
    library.parent.mkdir(parents=True)
    library.symlink_to(sysconfig.get_path("stdlib"))
    monkeypatch.setenv("PYTHONHOME", str(tmp_path / "python"))
    monkeypatch.setenv("PYTHONPATH", ":".join(path for path in sys.path if path and Path(path).is_dir()))
    good = CtSeries(slices=60).write(tmp_path / "good")
    short = CtSeries(slices=3).write(tmp_path / "short")
    other = CtSeries(slices=3, elements={"Modality": "MR"}).write(tmp_path / "other")
    with WithPlugin(tmp_path / "orthanc", triton_server.grpc_url) as orthanc:
        ids = [orthanc.upload(paths) for paths in (good, short, other)]
        found, refused = orthanc.said(ids[0]), orthanc.said(ids[1])
        assert orthanc.get(f"/studies/{ids[2]}/metadata") and "VcfFindings" not in json.dumps(
            orthanc.get(f"/studies/{ids[2]}/metadata")
        )
    with VcfClient(triton_server.grpc_url) as client:
        findings = json.loads(client.analyze(tmp_path / "good").to_json())
    for name in ("study_score", "threshold", "positive", "patches", "flags", "centre_line_mm"):
        assert found[name] == findings[name]
    assert refused["error"]["code"] == "TOO_SHORT"
    log = (tmp_path / "orthanc" / "orthanc.log").read_text("utf-8", "replace")
    assert "vcf: " not in log and "P1" not in json.dumps([found, refused])
