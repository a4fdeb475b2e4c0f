# SPDX-License-Identifier: Apache-2.0
"""The rule is applied to readings whose best form is known; a small sweep runs for real."""

import importlib.util
from dataclasses import replace

import pytest

from tests.benchmarks.sweep.readings import BASE, PASSED
from vcf_benchmarks.sweep import choice as sweep_choice
from vcf_benchmarks.sweep import plan as sweep_plan
from vcf_contract.errors import SetupError
from vcf_export.config import CHECKS


def skip_without_triton():
    if importlib.util.find_spec("pytriton") is None:
        pytest.skip("the Triton server is not installed (nvidia-pytriton)")


@pytest.mark.parametrize("cores", [1, 2, 3, 8, 64])
def test_every_level_is_a_form_that_can_be_written(cores):
    for levels in sweep_plan.factors(list(CHECKS), cores).values():
        points = [replace(BASE, **level) for level in levels]
        assert len(points) == len(set(points))
        assert all(0 <= point.threads <= cores for point in points)


@pytest.mark.slow
@pytest.mark.server
def test_two_forms_for_real(tiny_repository, monkeypatch):
    """Search and two rounds on tiny networks: the same answers from both, and the repository left as it was."""
    skip_without_triton()
    from vcf_benchmarks.harness.studies import library
    from vcf_training.data.fetch import fetch_sample

    try:
        fetch_sample("lidc-idri-0001")
    except (SetupError, OSError) as error:
        pytest.skip(f"the public CT cannot be fetched: {error}")
    monkeypatch.setattr(sweep_plan, "factors", lambda forms, cores: {"encoders": [{"encoders": 2, "threads": 1}]})
    before = sorted(tiny_repository.rglob("*"))
    plan = sweep_plan.Plan(0.01, 1.0, 0.5, 2, 1, "auto", 1)
    said = []
    points = sweep_plan.sweep(tiny_repository, BASE, ["cpu"], PASSED, library(60, 2), plan, said.append)
    assert sorted(tiny_repository.rglob("*")) == before
    assert points[0].tuning == BASE
    for found in points:
        assert len(found.readings) == 2
        assert all(r.saturated_per_s > 0 and r.memory_mib > 100 and not r.failures for r in found.readings)
        assert max(r.difference for r in found.readings) < sweep_choice.FLOAT32_WITHIN
    assert len([line for line in said if line.startswith("round")]) == 2 * len(points)
