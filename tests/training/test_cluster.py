# SPDX-License-Identifier: Apache-2.0
"""Clusters that are not there; training on one is tested with the ensemble search."""

import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("tensorflow")
from vcf_contract.errors import SetupError
from vcf_server.ports import free_port
from vcf_training.cluster import train_on_ray

NOTHING: Any = None


@pytest.fixture
def nobody() -> str:
    return f"127.0.0.1:{free_port()}"


@pytest.mark.parametrize("prefix", ["", "ray://"])
def test_an_absent_cluster_is_named_before_ray_tries_for_minutes(nobody: str, prefix: str, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    with pytest.raises(SetupError, match=f"no Ray cluster at {prefix}{nobody}: "):
        train_on_ray([], tmp_path, NOTHING, NOTHING, address=prefix + nobody)


def test_without_ray_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(SetupError, match="its extra `cluster`"):
        train_on_ray([], tmp_path, NOTHING, NOTHING)
