# SPDX-License-Identifier: Apache-2.0
"""The pods of the chart: killed again and again, a study that is large, drained and shared out under load."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.containers import pods
from tests.containers.compose import eventually
from tests.containers.engine import Engine
from tests.containers.pods import Pod
from tests.deploy.chart import render, values
from vcf_client import VcfClient, read_study
from vcf_contract.contract import VCF_CROP, VCF_SCOUT
from vcf_training.phantom.dicom import write_series
from vcf_training.phantom.render import render as render_phantom
from vcf_training.phantom.sampling import sample

pytestmark = pytest.mark.containers

STUDIES = int(os.environ.get("VCF_CONTAINERS_STUDIES") or 40)
"""How many a drill under load sends."""
LONG_MB = 347
"""A study of 662 slices of 512 × 512: one that filled 2 GiB of shared memory."""


@pytest.fixture(scope="module")
def start(images: Engine) -> Iterator[Callable[..., Pod]]:
    """Make pods of the chart's CPU preset, all gone in the end."""
    made: list[Pod] = []
    pods.network(images)

    def make(name: str) -> Pod:
        pod = Pod(images, render(*values("cpu"))["Deployment", "triton"], name)
        made.append(pod)
        pod.create()
        return pod

    yield make
    for pod in made:
        pod.remove()


@pytest.fixture(scope="module")
def pod(start: Callable[..., Pod]) -> Pod:
    """One that is ready."""
    made = start("triton-0")
    made.wait()
    return made


@pytest.fixture(scope="module")
def long_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A phantom whose voxels are repeated until it is as large as the largest studies."""
    small = render_phantom(sample(3), spacing_mm=(3.0, 1.2, 1.2))
    shape = (662, 512, 512)
    indices = [np.arange(wanted) * found // wanted for wanted, found in zip(shape, small.volume.hu.shape, strict=True)]
    ratios = [found / wanted for wanted, found in zip(shape, small.volume.hu.shape, strict=True)]
    spacing = tuple(float(pitch * ratio) for pitch, ratio in zip(small.volume.spacing_mm, ratios, strict=True))
    affine = small.volume.affine @ np.diag([*ratios[::-1], 1.0])
    volume = replace(small.volume, hu=small.volume.hu[np.ix_(*indices)], spacing_mm=spacing, affine=affine)
    assert volume.hu.nbytes // 10**6 == LONG_MB
    folder = tmp_path_factory.mktemp("long")
    write_series(replace(small, volume=volume), folder)
    return folder


def test_every_file_is_readable_for_the_servers_user(pod: Pod) -> None:
    """Made from a clone in which all is for its owner alone; the server runs as another user."""
    status, said = pod.execute(["find", "/models", "/opt/vcf", "!", "-readable"])
    assert (status, said) == (0, "")
    for kind in ("startup", "readiness", "liveness"):
        assert pod.probe(kind) == (0, "")


@pytest.mark.parametrize("image", ["vcf-triton:cpu", "vcf-client", "vcf-gateway"])
def test_every_python_package_is_pinned(images: Engine, clone: Path, image: str) -> None:
    pinned = dict(
        line.split("==")
        for line in (clone / "constraints.txt").read_text().splitlines()
        if "==" in line and line[0] != "#"
    )
    said = images.docker(
        "run", "--rm", "--network", "none", "--entrypoint", "python3", image, "-m", "pip", "freeze", "--all"
    )
    found = dict(line.lower().replace("_", "-").split("==") for line in said.splitlines() if "==" in line)
    tools = {"pip", "setuptools", "wheel"}
    assert {name: version for name, version in found.items() if name not in tools and pinned.get(name) != version} == {}
    assert len(found) > 15


def test_the_servers_image_refuses_to_build_plans(images: Engine) -> None:
    words = ["python3", "-m", "vcf_server.container", "--on-stale-plan", "rebuild", "--", "tritonserver"]
    status, said = images.status("run", "--rm", "--network", "none", "vcf-triton:cpu", *words)
    assert status == 64
    assert "ModuleNotFoundError" not in said and "refuse" in said


def test_a_long_study_by_every_transport(pod: Pod, long_study: Path) -> None:
    """The chart's shared memory holds all regions at their largest, one transport after the other."""
    with (
        VcfClient(pod.address(), transport="volume") as by_volume,
        VcfClient(pod.address(), transport="dicom") as by_dicom,
    ):
        study = read_study(long_study)
        scores = [by_volume.analyze(study).study_score for _ in range(2)]
        scores += [by_dicom.analyze(long_study).study_score for _ in range(2)]
    assert scores == pytest.approx([scores[0]] * 4, abs=1e-4)
    assert eventually(lambda: pod.probe("readiness") == (0, ""), 60), pod.log()


def test_killed_five_times_it_is_ready_five_times(pod: Pod, long_study: Path) -> None:
    """SIGKILL leaves Triton's regions in the pod's shared memory, 2 GiB after three times."""
    study = read_study(long_study)
    for _ in range(5):
        with VcfClient(pod.address(), transport="volume") as client:
            client.analyze(study)
        left = pod.shared_memory_mib()
        pod.kill()
        pod.start()
        pod.wait()
        assert "of shared memory of a server that was killed" in pod.engine.docker("logs", pod.name)
        assert pod.shared_memory_mib() < left


class Load:
    """Studies without a pause, by some threads of one client each."""

    def __init__(self, address: str | list[str], study: Path, threads: int) -> None:
        self.answered = 0
        self.failed: list[Exception] = []
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._study = read_study(study)
        self._client = VcfClient(address)
        self._pool = ThreadPoolExecutor(threads)
        for _ in range(threads):
            self._pool.submit(self._work)

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                self._client.analyze(self._study)
            except Exception as error:
                self.failed.append(error)
            else:
                with self._lock:
                    self.answered += 1

    def reach(self, answered: int) -> None:
        """Wait until so many studies are answered, or one has failed."""
        while self.answered < answered and not self.failed:
            time.sleep(0.2)

    def end(self) -> None:
        self._stop.set()
        self._pool.shutdown()
        self._client.close()


@pytest.fixture(scope="module")
def pair(pod: Pod, start: Callable[..., Pod]) -> tuple[Pod, Pod]:
    """Two that are ready, behind one name."""
    other = start("triton-1")
    other.wait()
    return pod, other


BY_NAME = """
import sys
from concurrent.futures import ThreadPoolExecutor
from vcf_client import VcfClient, read_study
study, threads, studies = read_study("/study"), int(sys.argv[1]), int(sys.argv[2])
with VcfClient("dns:///triton:8001") as client, ThreadPoolExecutor(threads) as pool:
    print(len(list(pool.map(lambda _: client.analyze(study).study_score, range(studies)))))
"""


def by_name(pair: tuple[Pod, Pod], phantom: Path, threads: int) -> None:
    """From a container of the pods' network, by the one name that stands for both."""
    words = ["run", "--rm", "--network", pods.NETWORK, "--volume", f"{phantom}:/study:ro", "--entrypoint", "python3"]
    said = pair[0].engine.docker(*words, "vcf-client", "-c", BY_NAME, str(threads), str(STUDIES))
    assert said.split()[-1] == str(STUDIES), said


def by_list(pair: tuple[Pod, Pod], phantom: Path, threads: int) -> None:
    load = Load([pod.address() for pod in pair], phantom, threads)
    load.reach(STUDIES)
    load.end()
    assert not load.failed, load.failed[0]


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("send", [by_list, by_name])
def test_two_servers_share_the_load(
    pair: tuple[Pod, Pod], phantom: Path, send: Callable[[tuple[Pod, Pod], Path, int], None], threads: int
) -> None:
    """On the default transport, which makes two calls a study: each server gets its share of both."""
    before = [[pod.requests(model.name) for pod in pair] for model in (VCF_CROP, VCF_SCOUT)]
    send(pair, phantom, threads)
    after = [[pod.requests(model.name) for pod in pair] for model in (VCF_CROP, VCF_SCOUT)]
    for first, last in zip(before, after, strict=True):
        counts = [b - a for a, b in zip(first, last, strict=True)]
        assert sum(counts) >= STUDIES
        assert 0.4 <= counts[0] / sum(counts) <= 0.6, counts


def test_drained_under_load_no_study_is_lost(pair: tuple[Pod, Pod], phantom: Path) -> None:
    """The preStop hook, then SIGTERM, while four threads send studies to both."""
    leaving, staying = pair
    load = Load([leaving.address(), staying.address()], phantom, 4)
    load.reach(STUDIES // 2)
    command = leaving.container["lifecycle"]["preStop"]["exec"]["command"]
    # Clients by a list stay connected; in a cluster the name no longer gives this address.
    status, said = leaving.execute([*command, "--notice-s", "1", "--settle-s", "1"])
    assert (status, said) == (0, "")
    leaving.engine.docker("stop", leaving.name)
    load.reach(load.answered + STUDIES // 2)
    load.end()
    assert not load.failed, load.failed[0]
