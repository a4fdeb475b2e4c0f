# SPDX-License-Identifier: Apache-2.0
"""The engine, the product's images built from a fresh clone under a strict umask, and studies to send."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers import base, engine
from tests.containers.engine import Engine

IMAGES = {
    "vcf-triton:cpu": ("server", "cpu"),
    "vcf-client": ("client", "client"),
    "vcf-gateway": ("client", "gateway"),
}


@pytest.fixture(scope="session")
def home() -> Path:
    """Where the engine keeps its images from run to run."""
    return Path(os.environ.get("VCF_CONTAINERS") or "/var/tmp/vcf-containers")


@pytest.fixture(scope="session")
def docker(home: Path) -> Iterator[Engine]:
    if why := engine.why_not():
        pytest.skip(why)
    try:
        with engine.running(home) as running:
            base.prepare(running, home)
            yield running
    except engine.Unavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def clone(home: Path) -> Path:
    """What git has of this checkout, as someone with the umask 077 gets it: all is for its owner alone."""
    folder = home / "clone"
    files = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=base.ROOT,
        check=True,
        capture_output=True,
    ).stdout
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    pack = "tar -c --null --files-from=- | tar -x --no-same-permissions -C"
    script = f'set -e -o pipefail; umask 077; {pack} "$1"; chmod -R go= "$1"'
    subprocess.run(["bash", "-c", script, "-", folder], cwd=base.ROOT, input=files, check=True)
    return folder


@pytest.fixture(scope="session")
def images(docker: Engine, clone: Path) -> Engine:
    """The engine with all images of the product that need no GPU, by their unmodified Dockerfiles."""
    for tag, (file, target) in IMAGES.items():
        base.build(docker, clone / "deploy" / f"{file}.Dockerfile", clone, tag, "--target", target)
    return docker


@pytest.fixture(scope="session")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small synthetic study as DICOM files."""
    folder = tmp_path_factory.mktemp("phantom") / "study"
    command = [sys.executable, "-m", "vcf_cli", "phantom", str(folder), "--seed", "3", "--spacing", "3.0x1.2"]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    for path in (folder.parent, folder):
        path.chmod(0o755)
    return folder
