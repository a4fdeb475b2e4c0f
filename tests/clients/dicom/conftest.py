# SPDX-License-Identifier: Apache-2.0
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from tests.clients.ct_series import CtSeries
from vcf_client import Findings
from vcf_client.dicom.source import SourceSeries


@pytest.fixture(scope="session")
def series() -> CtSeries:
    return CtSeries()


@pytest.fixture(scope="session")
def source(series: CtSeries) -> SourceSeries:
    return SourceSeries.from_headers(series.images())


@pytest.fixture
def negative(findings: Findings) -> Findings:
    return replace(findings, threshold=0.9)


@pytest.fixture
def dciodvfy(tmp_path: Path) -> Callable[[Dataset], list[str]]:
    """The errors that dciodvfy finds in an object; the tool knows the standard's object definitions."""
    tool = shutil.which("dciodvfy")
    if tool is None:
        pytest.skip("dciodvfy is not installed (package dicom3tools)")

    def errors(result: Dataset) -> list[str]:
        path = tmp_path / "object.dcm"
        result.save_as(path, enforce_file_format=True)
        ran = subprocess.run([tool, path], capture_output=True, text=True, errors="replace", timeout=300)
        lines = (ran.stdout + ran.stderr).splitlines()
        assert lines, "dciodvfy said nothing, not even which object it saw"
        return [line for line in lines if re.match(r"\s*Error", line)]

    return errors
