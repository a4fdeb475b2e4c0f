# SPDX-License-Identifier: Apache-2.0
"""Each way resamples what it says, where it says; and the errors are those that theory gives."""

import json

from vcf_benchmarks.harness.result import Result
from vcf_benchmarks.pages import draw
from vcf_benchmarks.preprocess import command as preprocess
from vcf_benchmarks.preprocess import ways as preprocess_ways
from vcf_benchmarks.preprocess.case import Shape
from vcf_benchmarks.preprocess.ways import OURS, PEERS, Way, ours_resample

SMALL = Shape(slices=160, pixels=256, spacing_z_mm=1.5, pixel_mm=1.1)
WAYS = {way.name: way for way in PEERS}


def test_figures_and_page(tmp_path, monkeypatch):
    only = (WAYS["SciPy, cropped"], Way("gone", "no-such-package", "nothing", ours_resample))
    monkeypatch.setattr(preprocess_ways, "PEERS", only)
    result = Result("preprocess", {})
    preprocess.measure(result, slices=160, pixels=256, runs=3)
    path = result.write(tmp_path / "preprocess.json")
    figures = json.loads(path.read_text())["figures"]
    assert set(figures["ways"]) == {OURS, "SciPy, cropped"} and set(figures["skipped"]) == {"gone"}
    assert figures["ways"][OURS]["over_ours"] == {"min": 1.0, "median": 1.0, "max": 1.0}
    assert figures["ways"]["SciPy, cropped"]["over_ours"]["min"] > 0
    assert result.targets == [], "the goal is for 300 slices of 512 × 512 pixels"
    page = draw(path)[0].read_text()
    assert page.count("<svg") == 2 and "no-such-package is not installed" in page
