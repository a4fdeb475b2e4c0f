# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
import yaml

from vcf_benchmarks.capacity.figures import GPU_QUEUE_TARGET_S
from vcf_benchmarks.capacity.plan import LEAST_PODS

CHART = Path(__file__).resolve().parents[3] / "deploy" / "helm" / "vcf-triton"


@pytest.mark.parametrize(("preset", "by"), [("cpu", "cpu"), ("gpu", "queue")])
def test_hints_are_of_values_that_the_chart_has(preset: str, by: str) -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())["autoscaling"]
    chosen = values | yaml.safe_load((CHART / "presets" / f"{preset}.yaml").read_text())["autoscaling"]
    assert chosen["by"] == by
    assert chosen["minReplicas"] == LEAST_PODS and chosen["maxReplicas"] > LEAST_PODS
    assert 0 < chosen["cpuUtilization"] <= 100
    assert chosen["queueSeconds"] == GPU_QUEUE_TARGET_S
