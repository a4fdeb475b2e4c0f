# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from tests.examples.conftest import Run
from vcf_client import VcfClient
from vcf_server.server import TritonServer

pytestmark = pytest.mark.server


def test_every_study_is_answered_once(run: Run, study: Path, triton_server: TritonServer, tmp_path: Path) -> None:
    done = run("event_loop", triton_server.grpc_url, study, study, tmp_path / "nothing", study)
    assert done.returncode == 0, done.stderr
    with VcfClient(triton_server.grpc_url) as client:
        score = client.analyze(study).study_score
    said = sorted(line.partition(": ")[2].partition(" in ")[0] for line in done.stdout.splitlines())
    assert said == sorted([f"{score:.2f}"] * 3 + ["NO_IMAGES"])
