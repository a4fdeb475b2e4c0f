# SPDX-License-Identifier: Apache-2.0
"""Odd requests to the real server with tiny networks: nothing dies, every error has a code."""

import importlib.util

import pytest

if importlib.util.find_spec("pytriton") is None:
    pytest.skip("the Triton server is not installed (nvidia-pytriton)", allow_module_level=True)
pytest.importorskip("hypothesis")

from vcf_benchmarks.drills import fuzz
from vcf_benchmarks.drills.requests import UNITS, requests

pytestmark = [pytest.mark.server, pytest.mark.slow]


def test_every_goal_is_met(tiny_repository):
    lines = fuzz.run(tiny_repository, 200)
    assert [line.what for line in lines if not line.met] == []
    assert sum(line.value for line in lines if line.what in (fuzz.REFUSED, fuzz.ANSWERED)) > 20


def test_every_model_is_asked():
    from hypothesis import find

    for unit in UNITS:
        assert find(requests(8), lambda request, unit=unit: request.model_name == unit.name)
