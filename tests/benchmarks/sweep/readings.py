# SPDX-License-Identifier: Apache-2.0
"""Readings of a sweep, made up, whose best form is known."""

from dataclasses import replace

from vcf_benchmarks.sweep.measure import Point, Reading
from vcf_export.config import CHECKS
from vcf_export.tuning import Tuning

BASE = Tuning.of("cpu")
WIDE = replace(BASE, encoders=2, threads=1)
NO_DELAY = replace(BASE, batch_delay_us=0)
BF16 = Tuning.of("cpu-bf16")
PASSED = dict.fromkeys(CHECKS)
FLIPS = PASSED | {"cpu-bf16": "1 decision flips"}


def reading(per_s, low_ms=300.0, **changed):
    plain = Reading(
        saturated_per_s=per_s,
        saturated_ms=[1000.0] * 8,
        low_ms=[low_ms] * 20,
        low_lag_ms=[0.1] * 20,
        memory_mib=1000.0,
        cpu_s=0.5,
        startup_s=4.0,
        difference=1e-6,
        flips=0,
        failures=[],
    )
    return replace(plain, **changed)


def point(tuned, *per_s, **changed):
    return Point(tuned, [reading(rate, **changed) for rate in per_s])
