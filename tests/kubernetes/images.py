# SPDX-License-Identifier: Apache-2.0
"""The product's images and the two that a cluster needs, as archives for containerd."""

import io
import subprocess
import tarfile
from pathlib import Path

from tests.containers.engine import Engine

TAG = "0.1.0"
"""Of the client's and the gateway's image where the chart is not told another."""
PRODUCT = {"vcf-triton:cpu": "vcf-triton:cpu", "vcf-client": f"vcf-client:{TAG}", "vcf-gateway": f"vcf-gateway:{TAG}"}
"""What the tests of containers build, by the name that the chart has for it."""
NEXT = "vcf-triton:next"
"""Another release's tag, of the same image."""
OWN = {"vcf-pause:1": "pause", "vcf-coredns:1": "coredns"}


def save(engine: Engine, programs: Path, archive: Path) -> Path:
    """Write all of them into one archive."""
    for built, wanted in PRODUCT.items():
        engine.docker("tag", built, wanted)
    engine.docker("tag", "vcf-triton:cpu", NEXT)
    for name, program in OWN.items():
        _import(engine, programs / program, name)
    engine.docker("save", "--output", str(archive), *PRODUCT.values(), NEXT, *OWN)
    return archive


def _import(engine: Engine, program: Path, name: str) -> None:
    """An image that holds one static program."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.add(program, arcname=program.name)
    words = ["docker", "import", "--change", f'ENTRYPOINT ["/{program.name}"]', "-", name]
    done = subprocess.run(words, input=packed.getvalue(), env=engine.environment, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr
