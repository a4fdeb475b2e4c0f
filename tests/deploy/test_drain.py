# SPDX-License-Identifier: Apache-2.0
"""What runs before SIGTERM, on the real server: studies under way end with all their steps, new ones are refused."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.conftest import KEY

ROOT = Path(__file__).resolve().parents[2]
TABLE = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1F41 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0500000A:1F41 0600000A:C350 01 00000000:00000000 00:00000000 00000000     0        0 2 1 0 20 4 30 10 -1
   2: 0100007F:1F40 0100007F:C351 01 00000000:00000000 00:00000000 00000000     0        0 3 1 0 20 4 30 10 -1
   3: 0500000A:1F41 0600000A:C352 06 00000000:00000000 00:00000000 00000000     0        0 4 1 0 20 4 30 10 -1
   4: 0500000A:C353 0600000A:1F41 01 00000000:00000000 00:00000000 00000000     0        0 5 1 0 20 4 30 10 -1
"""
V6_ROWS = """   0: 0000000000000000FFFF00000500000A:1F41 0000000000000000FFFF00000600000A:C350 01 0 0 0 0 0 6
   1: 0000000000000000FFFF00000100007F:1F40 0000000000000000FFFF00000100007F:C351 01 0 0 0 0 0 7
   2: 00000000000000000000000001000000:1F40 00000000000000000000000001000000:C352 01 0 0 0 0 0 8
"""


def drain(waiting: Any, *more: str, key: str = KEY) -> tuple[int, str]:
    command = [sys.executable, "-I", "-S", str(ROOT / "deploy" / "drain.py"), "--port", str(waiting.port)]
    command += ["--grpc-port", str(waiting.grpc_port), "--models", str(waiting.models), "--notice-s", "0", *more]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, env={**os.environ, "VCF_ADMIN_KEY": key}
    )
    assert done.stderr == ""
    return done.returncode, done.stdout.strip()


@pytest.mark.server
def test_studies_under_way_take_all_their_steps(waiting: Any, eventually: Any) -> None:
    answers: list[str] = []
    study = threading.Thread(target=lambda: answers.append(waiting.ask("twice", 1.5)))
    study.start()
    assert eventually(lambda: waiting.begun() == 1), "the study is in its first step"
    assert drain(waiting) == (0, "")
    assert waiting.begun() == 2, "the drain ended before the second step"
    study.join(60)
    assert answers == [""]
    assert "twice" in waiting.ask("twice", 0), "a new study is accepted after the drain"
    assert waiting.ask("wait", 0) == ""


@pytest.mark.slow
@pytest.mark.server
def test_a_study_that_outlasts_the_limit_is_named(waiting: Any, eventually: Any) -> None:
    study = threading.Thread(target=waiting.ask, args=("twice", 4.0))
    study.start()
    assert eventually(lambda: waiting.begun() == 1)
    assert drain(waiting, "--limit-s", "1") == (1, "after 1 s studies still run in twice")
    study.join()


@pytest.mark.server
def test_a_wrong_key_is_reported(waiting: Any) -> None:
    status, line = drain(waiting, key="another")
    assert status == 1
    assert "restricted" in line
    assert waiting.ask("twice", 0) == ""


def test_clients_are_told_from_probes_and_listeners(script: Any, tmp_path: Path) -> None:
    if sys.byteorder != "little":
        pytest.skip("the table is that of a little-endian machine")
    module = script("drain")
    (tmp_path / "tcp").write_text(TABLE)
    (tmp_path / "tcp6").write_text(TABLE.splitlines()[0] + "\n" + V6_ROWS)
    assert module.connections([8000, 8001], [tmp_path / "tcp"]) == 1
    assert module.connections([8000, 8001], [tmp_path / "tcp6"]) == 1
    assert module.connections([8002], [tmp_path / "tcp", tmp_path / "tcp6"]) == 0


def test_models_are_unloaded_once_the_clients_are_gone(script: Any, tmp_path: Path, eventually: Any) -> None:
    module = script("drain")
    table = tmp_path / "tcp"
    table.write_text(TABLE)
    unloaded: list[str] = []

    class Repository:
        def unload(self, model: str) -> None:
            unloaded.append(model)

        def states(self) -> dict[str, set[str]]:
            return {model: {"UNAVAILABLE"} for model in unloaded}

    waits = {"notice_s": 0, "settle_s": 30, "limit_s": 60, "tables": [table]}
    thread = threading.Thread(target=module.drain, args=(Repository(), ["vcf"], [8000, 8001]), kwargs=waits)
    thread.start()
    time.sleep(0.5)  # long enough for a mistake; a slow machine makes this test weaker, not wrong
    assert unloaded == []
    table.write_text(TABLE.splitlines()[0] + "\n")
    assert eventually(lambda: unloaded == ["vcf"])
    thread.join(60)
    assert not thread.is_alive()
