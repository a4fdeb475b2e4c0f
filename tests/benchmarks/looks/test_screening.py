# SPDX-License-Identifier: Apache-2.0
from vcf_benchmarks.looks import screening


def test_the_throughput_with_its_goal() -> None:
    found = {"callers": 4, "callers_per_s": [2.0, 1.0], "screening_per_s": [1.9, 0.9], "share": 0.925}
    assert screening.table({"saturation": found})[-1] == "share 0.925, goal ≥ 0.9"
    assert screening.table({}) == []
