# SPDX-License-Identifier: Apache-2.0
"""The reading benchmark measures what it says: every syntax, the same pixels, real sizes."""

from __future__ import annotations

import pytest
from pydicom import dcmread

from vcf_benchmarks.looks import reading
from vcf_contract.errors import SetupError
from vcf_training.data.fetch import fetch_sample


@pytest.mark.slow
def test_every_syntax_is_read_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        fetch_sample("lidc-idri-0001")
    except (SetupError, OSError) as error:
        pytest.skip(f"the public CT cannot be fetched: {error}")
    syntaxes: dict[str, str] = {}
    original = reading.read_study

    def spy(folder, **options):  # type: ignore[no-untyped-def]
        syntaxes[folder.name] = dcmread(next(folder.iterdir()), stop_before_pixels=True).file_meta.TransferSyntaxUID
        return original(folder, **options)

    monkeypatch.setattr(reading, "read_study", spy)
    monkeypatch.setattr(reading, "DISTINCT_SLICES", 3)
    monkeypatch.setattr(reading, "SLICE_MM", 5.0)
    figures = reading.measure(30, 1)
    assert figures["volume"] == [30, 512, 512]
    assert syntaxes == reading.SYNTAXES
    sizes = {name: cost["bytes"] for name, cost in figures["syntaxes"].items()}
    assert 30 * 512 * 512 * 2 < sizes["uncompressed"] < 30 * 512 * 512 * 2 * 1.05
    assert max(sizes["JPEG-LS"], sizes["JPEG 2000"]) < sizes["RLE"] < sizes["uncompressed"]
    assert all(cost["wall"]["median_ms"] > 0 and cost["cpu_median_ms"] > 0 for cost in figures["syntaxes"].values())
