# SPDX-License-Identifier: Apache-2.0
from vcf_benchmarks.screening import nothing
from vcf_screening import rows
from vcf_screening.work import Settings


def test_its_row_is_as_large_as_one_of_findings() -> None:
    (entry,) = nothing.entries(1)
    result = nothing.answer("ab", entry, Settings(("none:1",), b"", model_hash=nothing.WEIGHTS))
    assert result.row
    (row,) = rows.table([result.row]).to_pylist()
    assert row["state"] == rows.ANALYSED and len(row["patches"]) == 9 and row["model_hash"] == nothing.WEIGHTS


def test_no_two_studies_are_one() -> None:
    assert len({entry.id for entry in nothing.entries(1000)}) == 1000
