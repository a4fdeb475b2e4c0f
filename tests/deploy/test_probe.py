# SPDX-License-Identifier: Apache-2.0
"""The liveness probe on the real server: whole, with one of two processes killed, with one stopped, and busy."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from vcf_contract.contract import SELF_TEST
from vcf_server.ports import free_port

if TYPE_CHECKING:
    from vcf_server.server import TritonServer

pytestmark = pytest.mark.server
ROOT = Path(__file__).resolve().parents[2]


def probe(port: int, models: Path, *more: str) -> tuple[int, str]:
    """Run as the kubelet does: by an interpreter without site-packages."""
    command = [sys.executable, "-I", "-S", str(ROOT / "deploy" / "probe.py"), "--port", str(port)]
    done = subprocess.run([*command, "--models", str(models), *more], capture_output=True, text=True, timeout=300)
    assert done.stderr == ""
    return done.returncode, done.stdout.strip()


def metrics(url: str) -> str:
    with urllib.request.urlopen(url, timeout=60) as reply:
        return str(reply.read().decode())


def ready(port: int) -> bool:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/health/ready", timeout=120) as reply:
        return bool(reply.status == 200)


def test_self_tests_are_known_by_their_id_and_take_no_room(triton_server: "TritonServer") -> None:
    text = (ROOT / "deploy" / "probe.py").read_text("utf-8")
    assert f'SELF_TEST = "{SELF_TEST}"' in text
    for _ in range(2):
        assert probe(triton_server.http_port, triton_server.models) == (0, "")
    until = time.monotonic() + 60  # a study that another test gave up may be on its way
    while "vcf_studies_in_flight 0" not in (shown := metrics(triton_server.metrics_url)):
        assert time.monotonic() < until, shown
        time.sleep(0.5)
        assert probe(triton_server.http_port, triton_server.models) == (0, "")  # shows those that are gone as gone


def test_every_model_of_the_repository_answers(triton_server: "TritonServer") -> None:
    assert probe(triton_server.http_port, triton_server.models, "--ensembles", "--timeout-s", "30") == (0, "")


def test_every_instance_is_asked(triton_server: "TritonServer") -> None:
    def executions() -> dict[str, int]:
        with urllib.request.urlopen(triton_server.metrics_url, timeout=120) as reply:
            lines = reply.read().decode().splitlines()
        counts = (line.rsplit(" ", 1) for line in lines if line.startswith("nv_inference_exec_count{"))
        return {labels.split('"')[1]: int(count) for labels, count in counts}

    before = executions()
    probe(triton_server.http_port, triton_server.models, "--timeout-s", "30")
    after = executions()
    grown = {model: count - before[model] for model, count in after.items()}
    configs = {path.parent.name: path.read_text() for path in triton_server.models.glob("*/config.pbtxt")}
    ensembles = {name for name, text in configs.items() if 'platform: "ensemble"' in text}
    assert all(grown[name] == 0 for name in ensembles)
    assert all(grown[name] >= 1 for name in set(grown) - ensembles)
    # One execution may serve several requests only where the model batches.
    assert grown["spine_patches"] == 2


@pytest.mark.slow
def test_one_dead_process_of_two_is_found_every_time(waiting: Any) -> None:
    assert probe(waiting.port, waiting.models, "--ensembles") == (0, "")
    victim, survivor = waiting.processes()
    os.kill(victim, signal.SIGKILL)
    for _ in range(3):
        status, line = probe(waiting.port, waiting.models)
        assert status == 1
        assert line.startswith("wait: Stub process") and line.endswith("is not healthy.")
    assert ready(waiting.port), "Triton notices it after all: the probe has become superfluous"
    os.kill(survivor, signal.SIGKILL)
    assert probe(waiting.port, waiting.models)[0] == 1


def test_a_step_that_does_not_end_is_found(waiting: Any) -> None:
    with sent(waiting, [5.0] * 2):
        assert probe(waiting.port, waiting.models, "--timeout-s", "1.5") == (1, "wait: answered nobody in 1.5 s")


def test_a_busy_server_is_left_alone(waiting: Any) -> None:
    with sent(waiting, [0.5] * 16):
        assert probe(waiting.port, waiting.models, "--timeout-s", "1.5") == (0, "")


@contextmanager
def sent(waiting: Any, seconds: list[float]) -> Iterator[None]:
    """Requests that have reached the server, and are answered at the end."""
    requests = [threading.Thread(target=waiting.ask, args=("wait", duration)) for duration in seconds]
    for request in requests:
        request.start()
    while waiting.begun() < min(2, len(requests)):  # two instances are at work, the others wait for them
        time.sleep(0.02)
    yield
    for request in requests:
        request.join()


def test_an_unloaded_ensemble_is_not_ready_but_alive(waiting: Any) -> None:
    assert waiting.post("/v2/repository/models/twice/unload", {}) == ""
    assert probe(waiting.port, waiting.models) == (0, "")
    status, line = probe(waiting.port, waiting.models, "--ensembles")
    assert status == 1 and line.startswith("twice: ")


def test_outputs_of_no_bytes_are_found(waiting: Any, script: Any) -> None:
    """What a Python process with NumPy 2 sends under the wheel's server, with status 200."""
    module = script("probe")
    test = module.SelfTest.read(
        module.Server("127.0.0.1", waiting.port, time.monotonic() + 30), waiting.models / "wait"
    )

    class Empty:
        def call(self, *_: Any) -> Any:
            header = (
                b'{"outputs":[{"name":"waited","datatype":"FP32","shape":[1],"parameters":{"binary_data_size":0}}]}'
            )
            return module.Reply(200, header, len(header))

    with pytest.raises(module.NotWell, match="output waited has 0 bytes"):
        test.run(Empty())


def test_no_server_and_no_model(tmp_path: Path, tiny_repository: Path) -> None:
    port = free_port()
    shutil.copytree(tiny_repository / "axial_slices", tmp_path / "models" / "axial_slices")
    assert probe(port, tmp_path / "models") == (1, f"no server at 127.0.0.1:{port}: ConnectionRefusedError")
    (tmp_path / "empty").mkdir()
    assert probe(port, tmp_path / "empty") == (1, f"the model repository {tmp_path / 'empty'} holds no model")
