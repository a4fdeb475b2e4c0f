# SPDX-License-Identifier: Apache-2.0
from types import SimpleNamespace

import numpy as np
import pytest

from vcf_benchmarks.looks.stages import WARM_UP, measure, table


def test_calls_of_the_warm_up_are_in_no_figure() -> None:
    calls: list[int] = []

    def analyze(study: object) -> SimpleNamespace:
        calls.append(len(calls))
        slow = 1000.0 if len(calls) <= WARM_UP else 0.0
        return SimpleNamespace(timings_ms={"detector": slow + len(calls)}, patches=[1, 2, 3])

    study = SimpleNamespace(volume=SimpleNamespace(hu=np.zeros((4, 5, 6), np.int16)))
    figures = measure(SimpleNamespace(analyze=analyze), study, 3)  # type: ignore[arg-type]
    assert len(calls) == WARM_UP + 3
    assert figures["stages"]["detector"] == {"min_ms": 3.0, "median_ms": 4.0, "max_ms": 5.0}
    assert figures["volume"] == [4, 5, 6] and figures["patches"] == 3
    head, _, detector, total = table(figures)
    assert head == "volume 4 × 5 × 6, 3 patches, 3 calls"
    assert detector.split() == ["detector", "3.0", "4.0", "5.0"] and total.split()[0] == "total"
    assert float(total.split()[1]) == pytest.approx(figures["stages"]["total"]["min_ms"], abs=0.05)
