# SPDX-License-Identifier: Apache-2.0
"""The entry of the server's image, with small programs in place of Triton and of the drain."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vcf_contract.errors import SetupError
from vcf_server import container, processes
from vcf_server.admin import Admin

ROOT = Path(__file__).resolve().parents[2]
SERVER = """
import signal, sys, time
from pathlib import Path
def end(*_):
    print("server told", flush=True)
    sys.exit(1)
signal.signal(signal.SIGTERM, end)
Path(sys.argv[1]).touch()
print(*sys.argv[2:], sep="\\n", flush=True)
time.sleep(60)
"""


def start(*words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "vcf_server.container", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


def test_what_a_killed_predecessor_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    mine, others = tmp_path / "vcf-pod-1-region", tmp_path / "vcf-pod-10-region"
    mine.write_bytes(bytes(8192))
    others.write_bytes(bytes(8192))
    assert container.remove_left_behind(container.shared_memory_prefix("pod-1"), tmp_path) == 8192
    assert list(tmp_path.iterdir()) == [others]
    assert container.remove_left_behind(container.shared_memory_prefix("pod-1"), tmp_path) == 0


def test_regions_of_a_real_server_bear_the_prefix(tmp_path: Path) -> None:
    """The option that the entry adds, and the table of deadlines."""
    command = container.server_command(["tritonserver"], "vcf-pod-", Admin(shared_memory=False, key="k"))
    assert "--backend-config=python,shm-region-prefix-name=vcf-pod-" in command
    assert command[0] == "tritonserver"


def test_plans_that_do_not_fit_are_refused_in_one_sentence(tiny_repository: Path) -> None:
    done = start("--models", str(tiny_repository), "--on-stale-plan", "refuse", "--", "/bin/echo", "started")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("vcf: ") and done.stderr.count("\n") == 1


def test_onnx_is_served_in_place_of_plans_that_do_not_fit(tiny_repository: Path) -> None:
    done = start("--models", str(tiny_repository), "--on-stale-plan", "onnx", "--", "/bin/echo", "tritonserver")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("tritonserver --model-config-name=onnxruntime ")


@pytest.mark.parametrize("policy", ["perhaps", "rebuild"])
def test_no_plan_is_built_in_the_servers_image(policy: str) -> None:
    """It holds no exporter; that is said at once, and not by a module that is missing."""
    done = start("--on-stale-plan", policy, "--", "/bin/echo", "started")
    assert done.returncode == 64
    assert "refuse" in done.stderr and "onnx" in done.stderr and done.stderr.count("\n") == 1


def test_a_servers_own_end_is_its_exit_status() -> None:
    assert start("--", "/bin/sh", "-c", "exit 7").returncode == 7
    assert start("--", "/bin/sh", "-c", "kill -9 $$").returncode == 128 + signal.SIGKILL


def test_a_model_that_does_not_come_back_ends_the_server(capfd: pytest.CaptureFixture[str]) -> None:
    class Lost(container.Care):
        def look(self) -> None:
            raise SetupError("the model centre_line cannot be loaded anew: no room")

    care = Lost(Admin(shared_memory=False), 1, "vcf-none-")
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        assert container.run(["sleep", "600"], ["true"], dict(os.environ), care) == 1
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert capfd.readouterr().err == "vcf: the model centre_line cannot be loaded anew: no room\n"


@pytest.mark.server
def test_a_killed_python_process_is_brought_back(one_model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pytriton")
    from vcf_server.server import TritonServer

    with TritonServer(one_model, admin_key="k") as server:
        care = container.Care(Admin(shared_memory=True, key="k"), server.http_port, server.shm_prefix)
        care.look()
        (stub,) = processes.stubs(server.shm_prefix)
        os.kill(stub, signal.SIGKILL)
        until = time.monotonic() + 60
        while stub in processes.stubs(server.shm_prefix) or not processes.stubs(server.shm_prefix):
            assert time.monotonic() < until
            care.look()
        assert care.is_loaded("sequence_head")
    assert capfd.readouterr().err.splitlines()[-2:] == [
        "vcf: a process of the model sequence_head has ended; the model is loaded anew",
        "vcf: the model sequence_head is back",
    ]


def test_before_the_server_listens_nothing_is_looked_after() -> None:
    container.Care(Admin(shared_memory=False), 1, "vcf-none-").look()


def test_told_to_stop_it_drains_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drain = tmp_path / "drain.py"
    drain.write_text("import os, sys; print('drained with', os.environ['VCF_ADMIN_KEY'], file=open(sys.argv[-1], 'w'))")
    entry = (
        "import sys; from pathlib import Path; from vcf_server import container;"
        f"container.DRAIN = Path({str(drain)!r}); sys.exit(container.main(sys.argv[1:]))"
    )
    marker, said = tmp_path / "running", tmp_path / "said"
    server = tmp_path / "server.py"
    server.write_text(SERVER)
    command = [sys.executable, "-c", entry, "--models", str(tmp_path), "--http-port", "1234"]
    monkeypatch.setenv("VCF_ADMIN_KEY", "the-key")
    # The last word of the drain's command is its port: a file name would do as well here, were it one.
    process = subprocess.Popen(
        [*command, "--", sys.executable, str(server), str(marker)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'serving'}:{ROOT / 'contract'}:{ROOT / 'clients' / 'python'}"},
        stdout=said.open("w"),
        stderr=subprocess.STDOUT,
    )
    until = time.monotonic() + 30
    while not marker.exists() and time.monotonic() < until:
        time.sleep(0.05)
    process.terminate()
    assert process.wait(300) == 0
    assert (tmp_path / "1234").read_text() == "drained with the-key\n", "before the server was told"
    words = said.read_text().splitlines()
    assert words[-1] == "server told"
    assert "--model-control-mode=explicit" in words
    assert any(word.endswith(":vcf-admin=the-key") for word in words)
