# SPDX-License-Identifier: Apache-2.0
import subprocess
import sys

import pytest

from vcf_contract import telemetry

SAYS = (
    "import os, sys; assert sys.modules['openvino_telemetry'] is None; "
    "assert os.environ['ORT_DISABLE_TELEMETRY'] == '1'"
)


@pytest.mark.parametrize("package", ["vcf_export", "vcf_benchmarks"])
def test_a_package_that_imports_runtimes_has_switched_it_off_before(package):
    subprocess.run([sys.executable, "-c", f"import {package}; {SAYS}"], check=True)


def test_openvino_loads_without_its_reporter():
    """It takes a missing package for a wish not to report."""
    pytest.importorskip("openvino")
    code = "from vcf_contract import telemetry; telemetry.switch_off(); import openvino; openvino.Core()"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_it_may_be_called_twice(monkeypatch):
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    telemetry.switch_off()
    telemetry.switch_off()
