# SPDX-License-Identifier: Apache-2.0
"""A real PACS for the tests: Orthanc with a configuration, ports and storage of its own."""

import json
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
import requests

from vcf_server.ports import free_port

_PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
_START_S = 60.0


class Orthanc:
    """One running Orthanc; skips the test where it is not installed (packages orthanc, orthanc-dicomweb).

    Parameters
    ----------
    modalities
        AE title and port, on this machine, of those that may speak to it, by a name of their own.
    """

    ae_title = "ORTHANC"

    def __init__(self, folder: Path, modalities: dict[str, tuple[str, int]]) -> None:
        program = shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin")
        if program is None or not _PLUGIN.exists():
            pytest.skip("Orthanc is not installed (packages orthanc and orthanc-dicomweb)")
        self._program = program
        self._folder = folder
        self.http_port, self.dicom_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.http_port}"
        self.dicomweb_url = f"{self.url}/dicom-web"
        self._settings = {
            "StorageDirectory": str(folder / "storage"),
            "IndexDirectory": str(folder / "storage"),
            "HttpPort": self.http_port,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomAet": self.ae_title,
            "DicomPort": self.dicom_port,
            "DicomAlwaysAllowStore": False,
            "DicomAlwaysAllowEcho": False,
            "DicomCheckModalityHost": True,
            "DicomModalities": {name: [aet, "127.0.0.1", port] for name, (aet, port) in modalities.items()},
            "ConcurrentJobs": 20,
            "JobsHistorySize": 1000,
            "OverwriteInstances": True,
            "Plugins": [str(_PLUGIN)],
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        }
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Orthanc":
        (self._folder / "storage").mkdir(parents=True, exist_ok=True)
        settings = self._folder / "orthanc.json"
        settings.write_text(json.dumps(self._settings))
        with (self._folder / "orthanc.log").open("ab") as log:
            self._process = subprocess.Popen([self._program, settings], stdout=log, stderr=log)
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                requests.get(f"{self.url}/system", timeout=1).raise_for_status()
                return self
            except requests.RequestException:
                time.sleep(0.1)
        self.stop()
        raise RuntimeError((self._folder / "orthanc.log").read_text("utf-8", "replace")[-2000:])

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(120)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def get(self, path: str) -> Any:
        answer = requests.get(f"{self.url}{path}", timeout=120)
        answer.raise_for_status()
        return answer.json()

    def file(self, instance: str) -> bytes:
        answer = requests.get(f"{self.url}/instances/{instance}/file", timeout=120)
        answer.raise_for_status()
        return answer.content

    def upload(self, paths: list[Path]) -> str:
        """Put files in; the id of their study."""
        for path in paths:
            answer = requests.post(f"{self.url}/instances", data=path.read_bytes(), timeout=120)
            answer.raise_for_status()
        return str(answer.json()["ParentStudy"])

    def send(self, study: str, modality: str) -> str:
        """Start to send a study by C-STORE; the id of the job."""
        answer = requests.post(
            f"{self.url}/modalities/{modality}/store", json={"Resources": [study], "Synchronous": False}, timeout=120
        )
        answer.raise_for_status()
        return str(answer.json()["ID"])

    def job_state(self, job: str) -> str:
        """``Success``, ``Failure``, ``Running``, ``Pending``, …"""
        return str(self.get(f"/jobs/{job}")["State"])

    def resubmit(self, job: str) -> None:
        """Start a job again that failed."""
        requests.post(f"{self.url}/jobs/{job}/resubmit", data="", timeout=120).raise_for_status()

    def count(self, modality: str) -> dict[str, list[str]]:
        """For each study its instances of a modality."""
        found: dict[str, list[str]] = {}
        for series in self.get("/series?expand"):
            if series["MainDicomTags"].get("Modality") == modality:
                found.setdefault(series["ParentStudy"], []).extend(series["Instances"])
        return found
