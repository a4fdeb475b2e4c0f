# SPDX-License-Identifier: Apache-2.0
"""Words of ``vcf screen``; with servers it runs in tests/screening/test_screening.py."""

from pathlib import Path
from typing import Any

import pytest

import vcf_cli
from tests.clients.ct_series import CtSeries
from tests.screening.test_compare import NEW, OLD, row
from vcf_cli import exit_codes
from vcf_cli.screen import source_of
from vcf_screening import manifest
from vcf_screening.dataset import STUDIES, Dataset


def vcf(*words: Any) -> int:
    return vcf_cli.main([str(word) for word in words])


def parsed(*words: Any) -> Any:
    return vcf_cli._parser("screen").parse_args(["screen", *map(str, words)])


@pytest.mark.parametrize("words", [("run", "/a", "--out", "/b"), ("/a", "--out", "/b"), ("--out", "/b", "/a")])
def test_it_runs_without_a_verb(words: tuple[str, ...]) -> None:
    args = parsed(*words)
    assert (args.source, args.out, args.run.function) == ("/a", Path("/b"), "run_screening")


def test_options_of_a_source() -> None:
    source = source_of(
        parsed("s3://b/c", "--out", "/b", "--storage", "endpoint_url=http://m:9000", "--storage", "anon=true")
    )
    assert dict(source.storage) == {"endpoint_url": "http://m:9000", "anon": True}
    source = source_of(parsed("https://p/dicom-web", "--out", "/b", "--filter", "StudyDate=20200101-20201231"))
    assert source.filters == {"StudyDate": "20200101-20201231"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--window", "8-9"), "20:00-06:00"),
        (("--filter", "StudyDate"), "NAME=VALUE"),
        (("--storage", "=x"), "NAME=VALUE"),
    ],
)
def test_wrong_usage(tmp_path: Path, words: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert vcf("screen", tmp_path, "--out", tmp_path / "out", *words) == exit_codes.USAGE
    assert says in capsys.readouterr().err


def test_a_plan_lists_counts_and_estimates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(3):
        CtSeries(slices=2, study_uid=f"1.2.{number}").write(tmp_path / "archive" / str(number))
    listed = tmp_path / "list.parquet"
    assert vcf("screen", "plan", tmp_path / "archive", "--out", listed) == 0
    assert "3 studies" in capsys.readouterr().out and len(list(manifest.read(listed))) == 3
    words = ("--rate", "0.01", "--servers", "3", "--window", "20:00-06:00", "--cost", "36")
    assert vcf("screen", "plan", listed, *words) == 0
    said = capsys.readouterr().out
    assert "0.03 studies a second with 3 servers: 100 s of work" in said or "2 min of work" in said
    assert "cost 3.00" in said
    assert vcf("screen", "plan", tmp_path / "archive") == exit_codes.USAGE


def test_compare_and_summary_of_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert vcf("screen", "compare", tmp_path) == exit_codes.SETUP
    with Dataset(tmp_path / STUDIES) as dataset:
        dataset.add([row(1, OLD, 0.1), row(2, OLD, 0.2)])
        dataset.add([{**row(n, NEW, 0.9), "screened_at": "2099-01-01T00:00:00+00:00"} for n in (1, 2)])
    assert vcf("screen", "compare", tmp_path) == 0
    assert "2  negative → positive" in capsys.readouterr().out
    assert vcf("screen", "summary", tmp_path) == 0
    assert (tmp_path / "summary.html").is_file()
