# SPDX-License-Identifier: Apache-2.0
"""``vcf serve`` as a shell sees it."""

import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest

if importlib.util.find_spec("pytriton") is None:
    pytest.skip("the Triton server is not installed (nvidia-pytriton)", allow_module_level=True)
pytestmark = pytest.mark.server
FREE_PORTS = ["--grpc-port=0", "--http-port=0", "--metrics-port=0"]


def vcf(*words):
    code = "import sys; from vcf_cli import main; sys.exit(main(sys.argv[1:]))"
    return [sys.executable, "-c", code, "serve", *map(str, words)]


@pytest.fixture
def repository(tiny_repository, tmp_path):
    shutil.copytree(tiny_repository / "sequence_head", tmp_path / "repository" / "sequence_head")
    return tmp_path / "repository"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_line_when_ready_and_a_clean_stop(repository, number):
    command = vcf("--repository", repository, *FREE_PORTS)
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # As from a terminal; what runs these tests may have been started in the background, where SIGINT is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    line = process.stdout.readline()
    match = re.fullmatch(
        r"ready after [\d.]+ s: gRPC 127\.0\.0\.1:\d+, HTTP (127\.0\.0\.1:\d+), "
        r"metrics http://127\.0\.0\.1:\d+/metrics; Ctrl-C stops\n",
        line,
    )
    assert match, line
    with urllib.request.urlopen(f"http://{match[1]}/v2/health/ready", timeout=120) as answer:
        assert answer.status == 200
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does
    else:
        process.send_signal(number)
    rest, errors = process.communicate(timeout=300)
    assert (process.returncode, rest, errors) == (0, "", "")


def test_options_of_triton_are_passed_on(repository):
    code, sentence = failed("--repository", repository, *FREE_PORTS, "--", "--no-such-option")
    assert code == 3
    assert "did not start: unrecognized option '--no-such-option'" in sentence


def failed(*words):
    done = subprocess.run(vcf(*words), capture_output=True, text=True, timeout=300)
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("vcf: ")
    return done.returncode, done.stderr


def test_port_taken(repository):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        code, sentence = failed("--repository", repository, *FREE_PORTS[1:], f"--grpc-port={port}")
    assert code == 3
    assert f"127.0.0.1:{port}" in sentence and "--grpc-port" in sentence


def test_no_repository(tmp_path):
    code, sentence = failed("--repository", tmp_path / "nowhere", *FREE_PORTS)
    assert code == 3
    assert "no model repository at" in sentence


def test_gpu_form_is_explained(repository):
    code, sentence = failed("--repository", repository, "--config", "gpu", *FREE_PORTS)
    assert code == 3
    assert "NVIDIA's Triton container" in sentence
