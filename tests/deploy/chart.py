# SPDX-License-Identifier: Apache-2.0
"""What helm makes of the chart."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy" / "helm" / "vcf-triton"
PRESETS = {
    "cpu": ("cpu",),
    "gpu": ("gpu",),
    "gpu-plans": ("gpu", "gpu-plans"),
    "secured": ("cpu", "secured"),
    "canary": ("cpu", "canary"),
}
"""Values files of presets/ that are used together, by name."""
KUBERNETES = "1.34.0"
Objects = dict[tuple[str, str], dict[str, Any]]
"""By kind and name."""


def program() -> str:
    """Where helm is, wherever `make helm` or a package has put it; skips without."""
    built = ROOT / "build" / "tools" / "helm"
    found = os.environ.get("VCF_HELM") or (str(built) if built.exists() else shutil.which("helm"))
    if not found:
        pytest.skip("helm is not installed (make helm builds it, with Go)")
    return found


def helm(*words: str) -> subprocess.CompletedProcess[str]:
    """Run helm; skips without."""
    return subprocess.run([program(), *words], capture_output=True, text=True, timeout=120)


def values(*presets: str) -> list[str]:
    """Options of helm."""
    return [word for name in presets for word in ("--values", str(CHART / "presets" / f"{name}.yaml"))]


def template(*words: str) -> subprocess.CompletedProcess[str]:
    """``helm template`` of a release ``triton`` in the namespace ``vcf``."""
    return helm("template", "triton", str(CHART), "--namespace", "vcf", "--kube-version", KUBERNETES, *words)


def render(*words: str) -> Objects:
    """The objects; all that helm has to say is an error."""
    done = template(*words)
    assert done.returncode == 0 and not done.stderr, done.stderr
    documents = [document for document in yaml.safe_load_all(done.stdout) if document]
    found = {(document["kind"], document["metadata"]["name"]): document for document in documents}
    assert len(found) == len(documents)
    return found
