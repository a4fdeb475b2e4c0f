# SPDX-License-Identifier: Apache-2.0
"""One cluster for all drills, with the product's images, and the chart installed in it."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.containers.conftest import clone, docker, home, images  # noqa: F401
from tests.containers.engine import Engine
from tests.kubernetes import build, cluster, dns, policies
from tests.kubernetes.accounts import NAMESPACE
from tests.kubernetes.cluster import Cluster
from tests.kubernetes.images import save
from tests.kubernetes.release import Release


@pytest.fixture(scope="session")
def folder() -> Path:
    """Where the cluster's programs stay from run to run."""
    return Path(os.environ.get("VCF_KUBERNETES") or "/var/tmp/vcf-kubernetes")


@pytest.fixture(scope="session")
def programs(folder: Path) -> Path:
    if why := build.why_not():
        pytest.skip(why)
    return build.programs(folder)


@pytest.fixture(scope="session")
def node(folder: Path, programs: Path, images: Engine) -> Iterator[Cluster]:  # noqa: F811
    """A cluster whose names are served, and which has all images."""
    archive = save(images, programs, folder / "images.tar")
    try:
        with cluster.running(folder, programs) as running:
            running.load_image(archive)
            archive.unlink()
            running.apply(*dns.documents())
            running.kubectl("rollout", "status", "deployment/coredns", "--namespace", NAMESPACE, "--timeout=120s")
            policies.enforce(running)
            yield running
    except cluster.Unavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def release(node: Cluster) -> Iterator[Release]:
    """The chart with its CPU preset, ready."""
    made = Release(node)
    made.set()
    yield made
    made.helm("uninstall", "triton", "--ignore-not-found")


@pytest.fixture(scope="session")
def figure(folder: Path) -> Callable[..., None]:
    """Note what a drill measured, for docs/kubernetes.md: a line of the file ``figures``, and of the test's output."""
    notes = folder / "figures"
    notes.write_text("")

    def note(**what: object) -> None:
        line = ", ".join(f"{name} {value}" for name, value in what.items())
        print(line)
        with notes.open("a") as file:
            file.write(f"{line}\n")

    return note
