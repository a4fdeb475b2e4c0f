# SPDX-License-Identifier: Apache-2.0
"""Work that never returns, with the interpreter's lock in its hands, as a decoder in C can."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.clients.ct_series import CtSeries
from vcf_client import Retry, VcfClient
from vcf_contract.errors import ServerFailed
from vcf_runtime.time_limit import process_ends_after

HANGS = "import ctypes; ctypes.PyDLL(None).sleep(600)"


def run(script: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)


def test_a_process_that_hangs_in_c_ends_and_says_where() -> None:
    done = run(
        "from vcf_runtime.time_limit import process_ends_after\n"
        "def decode(secret):\n"
        f"    {HANGS}\n"
        "with process_ends_after(0.2):\n"
        "    decode('MARKED^Name')\n"
    )
    assert done.returncode == 1
    assert "in decode" in done.stderr and "MARKED" not in done.stderr


def test_work_that_ends_in_time_is_left_alone() -> None:
    with process_ends_after(0.1):
        pass
    time.sleep(0.5)
    with pytest.raises(KeyError), process_ends_after(0.1):
        raise KeyError
    time.sleep(0.5)


@pytest.mark.slow
@pytest.mark.server
def test_a_decoder_that_never_returns_costs_one_study(tiny_repository: Path, tmp_path: Path) -> None:
    """The first study hangs; the server goes on, brings the model back, and answers the next."""
    pytest.importorskip("pytriton", reason="the Triton server is not installed (nvidia-pytriton)")
    from tests.serving.test_supervisor import Watched, eventually

    repository, hung = tmp_path / "repository", tmp_path / "hung"
    shutil.copytree(tiny_repository, repository, symlinks=False)
    model = repository / "dicom_volume" / "1" / "model.py"
    text = model.read_text()
    assert "READ_LIMIT_S = 300.0" in text
    model.write_text(
        text.replace("READ_LIMIT_S = 300.0", "READ_LIMIT_S = 1.0")
        + "\n\nfrom pathlib import Path\n_read = read_files\n\n\n"
        + "def read_files(*args, **options):\n"
        + f"    if not Path({str(hung)!r}).exists():\n"
        + f"        Path({str(hung)!r}).touch()\n"
        + f"        {HANGS}\n"
        + "    return _read(*args, **options)\n"
    )
    study = tmp_path / "series"
    CtSeries().write(study)
    watched = Watched(repository)
    try:
        address = watched.server.grpc_url
        with VcfClient(address, transport="dicom", retry=Retry(1)) as client:
            with pytest.raises(ServerFailed, match="dicom_volume"):
                client.analyze(study)
            assert hung.exists()
            with VcfClient(address, transport="crop") as other:
                assert eventually(lambda: "the model dicom_volume is back" in watched.said, 120)
                assert client.analyze(study).study_score == pytest.approx(other.analyze(study).study_score, abs=1e-6)
    finally:
        watched.close()
