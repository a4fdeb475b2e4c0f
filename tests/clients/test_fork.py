# SPDX-License-Identifier: Apache-2.0
"""Clients in processes that were forked before and after gRPC was used; each case in a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.clients.ct_series import CtSeries

ROOT = Path(__file__).resolve().parents[2]

HEAD = """
import asyncio, multiprocessing, sys, threading
from vcf_client import AsyncVcfClient, VcfClient
from vcf_contract.errors import VcfError

NOBODY, STUDY = "127.0.0.1:1", sys.argv[1]

def sync(client=None):
    try:
        with client or VcfClient(NOBODY, deadline_s=2) as own:
            return own.analyze(STUDY).study_score
    except VcfError as error:
        return f"{error.code}: {error}"

def inherited(_):
    return sync(INHERITED)

def in_a_loop(_):
    async def main():
        async with AsyncVcfClient(NOBODY, deadline_s=2) as client:
            return await client.analyze(STUDY)
    try:
        return asyncio.run(main())
    except VcfError as error:
        return f"{error.code}: {error}"

def use():
    with VcfClient(NOBODY, deadline_s=2) as client:
        assert not client.is_ready()

def fork(function, *args):
    with multiprocessing.get_context("fork").Pool(2) as pool:
        for answer in pool.map_async(function, args or [None] * 2).get(60):
            print(answer)
"""


def run(script: str, tmp_path: Path) -> str:
    """What a script prints."""
    CtSeries(slices=40).write(tmp_path / "study")
    (tmp_path / "script.py").write_text(HEAD + script)
    command = [sys.executable, tmp_path / "script.py", tmp_path / "study"]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("way", ["sync", "in_a_loop"])
def test_a_fork_after_use_is_refused_with_the_way_out(tmp_path: Path, way: str) -> None:
    said = run(f"use()\nfork({way})\n", tmp_path).splitlines()
    assert len(said) == 2
    assert all(line.startswith("SETUP: ") and "get_context('spawn')" in line for line in said)


@pytest.mark.slow
def test_so_is_a_client_that_came_along(tmp_path: Path) -> None:
    said = run("INHERITED = VcfClient(NOBODY, deadline_s=2)\nINHERITED.is_ready()\nfork(inherited)\n", tmp_path)
    assert said.count("SETUP: ") == 2


@pytest.mark.slow
def test_the_parent_goes_on(tmp_path: Path) -> None:
    assert run("use()\nfork(sync)\nprint(sync())\n", tmp_path).splitlines()[-1].startswith("SERVER_UNAVAILABLE: ")


@pytest.mark.slow
def test_a_fork_before_use_works(tmp_path: Path) -> None:
    """As far as to the server that is not there."""
    said = run("fork(sync)\nuse()\n", tmp_path).splitlines()
    assert len(said) == 2 and all(line.startswith("SERVER_UNAVAILABLE: ") for line in said)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_other_ways_to_start_processes_work(tmp_path: Path, method: str) -> None:
    script = f"""
if __name__ == "__main__":
    use()
    with multiprocessing.get_context("{method}").Pool(1) as pool:
        print(pool.apply_async(sync).get(60))
"""
    assert run(script, tmp_path).startswith("SERVER_UNAVAILABLE: ")
