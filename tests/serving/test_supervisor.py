# SPDX-License-Identifier: Apache-2.0
"""What dies comes back: a stub's model, the server itself; what dies again and again does not."""

import importlib.util
import os
import re
import signal
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

if importlib.util.find_spec("pytriton") is None:
    pytest.skip("the Triton server is not installed (nvidia-pytriton)", allow_module_level=True)

from tests.serving.watched import Watched
from tests.tiny_networks import FEATURES
from vcf_server import processes
from vcf_server.server import TritonServer
from vcf_server.supervisor import Policy

pytestmark = pytest.mark.server
REQUEST = (
    b'{"inputs": [{"name": "features", "datatype": "FP32", "shape": [2, %d], "data": [%s]},'
    b' {"name": "location", "datatype": "FP32", "shape": [2], "data": [0.1, 0.9]}]}'
    % (FEATURES, b", ".join([b"0.5"] * (2 * FEATURES)))
)


def ask(server, path, body=None):
    """Status of an HTTP call; 0 where nobody listens."""
    try:
        with urllib.request.urlopen(f"http://{server.http_url}{path}", body, timeout=300) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def answers(server):
    return ask(server, "/v2/models/sequence_head/infer", REQUEST) == 200


def ready(server):
    return ask(server, "/v2/health/ready") == 200


def eventually(condition, limit_s=60.0):
    end = time.monotonic() + limit_s
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


def triton_of(server):
    """Its process: the parent of the stubs."""
    (stub,) = processes.stubs(server.shm_prefix)
    return int(re.search(r"PPid:\s+(\d+)", Path(f"/proc/{stub}/status").read_text())[1])


@pytest.fixture
def watched(one_model):
    one = Watched(one_model)
    yield one
    one.close()


def test_a_stub_that_is_killed(watched):
    (stub,) = processes.stubs(watched.server.shm_prefix)
    os.kill(stub, signal.SIGKILL)
    assert eventually(lambda: watched.said)
    assert eventually(lambda: len(watched.said) == 2)
    assert watched.said == [
        "a process of the model sequence_head has ended; the model is loaded anew",
        "the model sequence_head is back",
    ]
    assert ready(watched.server) and answers(watched.server)
    assert set(processes.stubs(watched.server.shm_prefix).values()) == {"sequence_head"}
    assert stub not in processes.stubs(watched.server.shm_prefix)


def test_a_stub_that_is_killed_at_work(watched):
    """Triton never ends the unloading of a model whose process had requests when it was killed."""
    (stub,) = processes.stubs(watched.server.shm_prefix)
    os.kill(stub, signal.SIGSTOP)  # so that what is asked now is with it when it dies
    asking = [threading.Thread(target=answers, args=(watched.server,)) for _ in range(2)]
    for thread in asking:
        thread.start()
    time.sleep(1)
    os.kill(stub, signal.SIGKILL)
    assert eventually(lambda: len(watched.said) == 2, limit_s=40), watched.said
    assert eventually(lambda: answers(watched.server), limit_s=10)
    for thread in asking:
        thread.join(60)
        assert not thread.is_alive()
    assert len(processes.stubs(watched.server.shm_prefix)) == 1


def test_a_server_that_is_killed_comes_back_at_the_same_address(watched):
    before = watched.server.grpc_url, watched.server.http_url, watched.server.metrics_url
    regions = watched.server.shm_prefix
    os.kill(triton_of(watched.server), signal.SIGKILL)
    assert eventually(lambda: any(line.startswith("the server is ready again") for line in watched.said))
    assert (watched.server.grpc_url, watched.server.http_url, watched.server.metrics_url) == before
    assert answers(watched.server)
    assert (
        "the server ended by itself with status 137" in watched.said[0] and "started anew in 0.5 s" in watched.said[0]
    )
    assert not list(Path("/dev/shm").glob(f"{regions}*"))


def test_a_server_that_dies_again_and_again_is_given_up(one_model):
    watched = Watched(one_model, Policy(most_deaths=1, first_pause_s=0))
    os.kill(triton_of(watched.server), signal.SIGKILL)
    assert eventually(lambda: any(line.startswith("the server is ready again") for line in watched.said))
    os.kill(triton_of(watched.server), signal.SIGKILL)
    watched.join()
    assert watched.end.endswith("that was the 2th time in 10 minutes")
    watched.server.stop()


def test_a_server_that_is_not_to_be_restarted(one_model):
    watched = Watched(one_model, Policy(server=False))
    os.kill(triton_of(watched.server), signal.SIGKILL)
    watched.join()
    assert "the server ended by itself with status 137" in watched.end
    assert watched.said == []
    watched.server.stop()


def test_pauses_double_up_to_the_longest():
    policy = Policy(first_pause_s=1, longest_pause_s=5)
    assert [policy.pause_s(deaths) for deaths in (1, 2, 3, 4, 20)] == [1, 2, 4, 5, 5]


@pytest.mark.parametrize(
    ("path", "shared_memory", "status"),
    [
        ("/v2/repository/index", True, 403),
        ("/v2/repository/models/sequence_head/unload", True, 403),
        ("/v2/trace/setting", True, 403),
        ("/v2/logging", True, 403),
        ("/v2/systemsharedmemory/status", True, 200),
        ("/v2/systemsharedmemory/status", False, 403),
        ("/v2/systemsharedmemory/region/x/register", False, 403),
        ("/v2/models/sequence_head/ready", False, 200),
    ],
)
def test_what_is_for_the_owner_alone(servers, path, shared_memory, status):
    reading = path.endswith(("setting", "logging", "status", "ready"))
    assert ask(servers[shared_memory], path, None if reading else b"{}") == status


@pytest.fixture(scope="module")
def servers(tiny_repository, tmp_path_factory):
    import shutil

    repository = tmp_path_factory.mktemp("one") / "repository"
    shutil.copytree(tiny_repository / "sequence_head", repository / "sequence_head")
    with TritonServer(repository) as opened, TritonServer(repository, shared_memory=False) as closed:
        yield {True: opened, False: closed}
