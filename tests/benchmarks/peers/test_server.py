# SPDX-License-Identifier: Apache-2.0
"""Every peer, started for real, gives the answer of the same pipeline in one process."""

from email.parser import BytesParser
from email.policy import HTTP
from pathlib import Path

import numpy as np
import psutil
import pytest

from vcf_benchmarks.peers import server
from vcf_benchmarks.peers.server import PEERS, Caller, Peer, PeerServer
from vcf_contract import contract
from vcf_contract.errors import SetupError
from vcf_preprocess.geometry import Volume


@pytest.fixture(scope="module")
def volume() -> Volume:
    """Noise, which the tiny detector takes for a body; small, for what is tried is how it gets there and back."""
    hu = np.random.default_rng(5).integers(-200, 900, (45, 64, 72)).astype(np.int16)
    return Volume(hu, (5.0, 4.0, 4.0), np.eye(4))


@pytest.mark.slow
@pytest.mark.parametrize("peer", PEERS.values(), ids=PEERS)
def test_a_peer_answers_as_the_pipeline_in_one_process(peer: Peer, volume: Volume, tiny_repository: Path) -> None:
    if not peer.installed:
        pytest.skip(f"{peer.package} is not installed (extra peers)")
    from vcf_benchmarks.harness.inprocess import Pipeline

    with Pipeline(tiny_repository) as pipeline:
        right = pipeline.analyze(volume)
    with PeerServer(peer, tiny_repository, workers=1) as running:
        family = [psutil.Process(running.pid), *psutil.Process(running.pid).children(recursive=True)]
        caller = Caller(peer, running.port)
        for _ in range(2):  # over one connection
            answer = caller.analyze(volume)
            np.testing.assert_allclose(answer[contract.PATCH_SCORES.name], right.patch_scores, atol=1e-4)
            assert answer[contract.STUDY_SCORE.name] == pytest.approx(right.study_score, abs=1e-4)
            np.testing.assert_allclose(answer[contract.PATCH_BOXES_MM.name], right.spine.patch_boxes_mm, atol=1e-3)
        with pytest.raises(RuntimeError, match=f"{peer.title} answered"):
            caller.analyze(Volume(volume.hu[:3], volume.spacing_mm, np.eye(4)))  # too short: refused
        caller.close()
        assert listeners(family, running.port if peer is PEERS["ray_serve"] else None) == {"127.0.0.1"}
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in family)


def listeners(family: list[psutil.Process], port: int | None = None) -> set[str]:
    """Addresses on which these processes take connections, at one port or at any.

    Ray binds services of its own to all interfaces, whatever node address it is given; a token guards them.
    """
    found = set()
    for process in family:
        try:
            listening = [c.laddr for c in process.net_connections("inet") if c.status == psutil.CONN_LISTEN]
            found |= {address.ip for address in listening if port in (None, address.port)}
        except psutil.NoSuchProcess:
            continue
    return found


def test_a_connection_idle_for_too_long_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(server.time, "monotonic", lambda: now[0])
    caller = Caller(PEERS["fastapi"], 1)
    assert not caller.stale
    now[0] += server.KEEP_ALIVE_S + 0.1
    assert caller.stale


def test_a_peer_that_does_not_start_says_why(tmp_path: Path) -> None:
    broken = Peer("broken", "Broken", "os", lambda port: ["-c", "raise OSError('no network here')"], "/", form=False)
    with pytest.raises(SetupError, match=r"(?s)Broken did not come up.*no network here"), PeerServer(broken, tmp_path):
        pass


@pytest.mark.slow
def test_a_peer_that_ignores_the_signal_is_killed_with_its_children(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = (
        "import http.server, signal, subprocess, sys;"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True);"
        "http.server.test(http.server.SimpleHTTPRequestHandler, port=int(sys.argv[1]), bind='127.0.0.1')"
    )
    stubborn = Peer("stubborn", "Stubborn", "os", lambda port: ["-c", program, str(port)], "/", form=False)
    monkeypatch.setattr(server, "STOP_TIMEOUT_S", 0.5)
    with PeerServer(stubborn, tmp_path) as running:
        family = [psutil.Process(running.pid), *psutil.Process(running.pid).children(recursive=True)]
        assert len(family) == 2
    psutil.wait_procs(family, timeout=5)
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in family)


@pytest.mark.slow
def test_what_a_peer_leaves_behind_when_it_dies_is_killed(tmp_path: Path) -> None:
    program = (
        "import subprocess, sys, time;"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True);"
        "print('child', child.pid, flush=True); time.sleep(3); sys.exit(1)"
    )
    mortal = Peer("mortal", "Mortal", "os", lambda port: ["-c", program], "/", form=False)
    with pytest.raises(SetupError, match=r"child \d+") as error, PeerServer(mortal, tmp_path):
        pass
    assert not psutil.pid_exists(int(str(error.value).split()[-1]))


def test_nothing_reports_its_use(tmp_path: Path) -> None:
    environment = PeerServer(PEERS["ray_serve"], tmp_path)._environment()
    assert environment["RAY_USAGE_STATS_ENABLED"] == "0"
    assert environment["BENTOML_DO_NOT_TRACK"] == "True"
    assert environment["ORT_DISABLE_TELEMETRY"] == "1"
    bentoml = pytest.importorskip("bentoml._internal.utils.analytics.usage_stats", reason="extra peers")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENTOML_DO_NOT_TRACK", environment["BENTOML_DO_NOT_TRACK"])
        bentoml.do_not_track.cache_clear()
        assert bentoml.do_not_track()
    bentoml.do_not_track.cache_clear()


def test_the_form_is_one_that_a_parser_of_mime_reads() -> None:
    head, tail = server._form({"shape": [2, 1, 1], "spacing_mm": [1.5, 1.0, 1.0]})
    voxels = bytes(range(4))
    message = f"Content-Type: multipart/form-data; boundary={server._BOUNDARY}\r\n\r\n".encode() + head + voxels + tail
    parts = {
        part.get_param("name", header="content-disposition"): part.get_payload(decode=True)
        for part in BytesParser(policy=HTTP).parsebytes(message).iter_parts()
    }
    assert parts == {"shape": b"[2, 1, 1]", "spacing_mm": b"[1.5, 1.0, 1.0]", "volume": voxels}
