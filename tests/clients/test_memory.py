# SPDX-License-Identifier: Apache-2.0
"""Large blocks stay with the process, as the kernel's count of page faults tells."""

import ctypes
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from vcf_client import memory

ROOT = Path(__file__).resolve().parents[2]

if not hasattr(ctypes.CDLL(None), "gnu_get_libc_version"):
    pytest.skip("the C library is not glibc", allow_module_level=True)

FAULTS = """
import ctypes, resource, sys, threading
from vcf_client.memory import keep_large_blocks
if "ask" in sys.argv:
    assert keep_large_blocks()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
def study():
    thread = threading.Thread(target=in_a_thread)
    thread.start()
    thread.join()
def in_a_thread():
    blocks = [libc.malloc(size << 20) for size in (13, 18, 13, 160)]
    for block in blocks:
        ctypes.memset(block, 1, 13 << 20)
    for block in blocks:
        libc.free(block)
study()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    study()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
PAGES = 10 * 4 * (13 << 20) // os.sysconf("SC_PAGE_SIZE")


def faults(*arguments: str, **environment: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", FAULTS, *arguments],
        env={name: value for name, value in os.environ.items() if name not in memory.ENVIRONMENT} | environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return int(done.stdout)


def test_without_it_each_study_faults_anew() -> None:
    assert faults() > PAGES / 2


def test_asked_for_in_the_process() -> None:
    assert faults("ask") < PAGES / 100


def test_asked_for_in_the_environment() -> None:
    assert faults(**memory.ENVIRONMENT) < PAGES / 100


def test_processes_that_are_started_are_told_what_the_environment_does_not_say(monkeypatch) -> None:
    for name in memory.ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    own = {"MALLOC_TRIM_THRESHOLD_": "1000000"}
    monkeypatch.setenv(*next(iter(own.items())))
    memory.keep_large_blocks_of_children()
    assert {name: os.environ[name] for name in memory.ENVIRONMENT} == memory.ENVIRONMENT | own


def test_another_c_library_says_no(monkeypatch) -> None:
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: object())
    assert memory.keep_large_blocks() is False


def test_containers_are_told_the_same() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    template = (ROOT / "deploy/helm/vcf-triton/templates/_server.tpl").read_text()
    pods = dict(re.findall(r'- \{name: (\w+), value: "(\w+)"\}', template))
    for told in (compose["triton-cpu"]["environment"], compose["triton-gpu"]["environment"], pods):
        assert {name: told[name] for name in memory.ENVIRONMENT} == dict(memory.ENVIRONMENT)
