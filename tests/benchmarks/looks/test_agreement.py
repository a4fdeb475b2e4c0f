# SPDX-License-Identifier: Apache-2.0
"""A perf_analyzer that is made up here: what it is asked, and what is made of its report."""

from pathlib import Path

import pytest

from vcf_benchmarks.looks import agreement
from vcf_cli import exit_codes, main
from vcf_contract.errors import SetupError

SCRIPT = """#!/bin/sh
echo "$@" > {words}
while [ "$1" != -f ]; do shift; done
printf 'Request Rate,Inferences/Second,p50 latency,p90 latency\\n1,1.02,%s,900000\\n' 412345 > "$2"
exit {code}
"""


def made_up(folder: Path, code: int = 0) -> str:
    program = folder / "perf_analyzer"
    program.write_text(SCRIPT.format(words=folder / "words", code=code))
    program.chmod(0o755)
    return str(program)


def test_the_median_of_its_report_is_taken_in_ms(tmp_path: Path) -> None:
    file = tmp_path / "volume.json"
    assert agreement.theirs_ms(made_up(tmp_path), "127.0.0.1:8001", file, 1.5, 30.0) == pytest.approx(412.345)
    words = (tmp_path / "words").read_text().split()
    assert words[words.index("-u") + 1] == "127.0.0.1:8001"
    assert words[words.index("--request-rate-range") + 1] == "1.5"
    assert words[words.index("--measurement-interval") + 1] == "10000"


def test_one_that_fails_is_said(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="ended with 3"):
        agreement.theirs_ms(made_up(tmp_path, code=3), "127.0.0.1:8001", tmp_path / "volume.json", 1.0, 30.0)


def test_one_that_is_not_there_is_said(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["bench", "agreement", "--perf-analyzer", str(tmp_path / "none")]) == exit_codes.SETUP
    assert "make nvidia-tools" in capsys.readouterr().err


def test_the_table_says_the_ratio_and_what_is_not_valid() -> None:
    p50 = {"perf_analyzer": [420.0, 430.0], "vcf bench latency": [400.0, 410.0]}
    figures = {"p50_ms": p50, "ratio": 1.05, "rate_per_s": 1.0, "broken": ["other processes used 50%"]}
    lines = agreement.table(figures)
    assert lines[0].endswith("420, 430") and "1.050 at 1 a second" in lines[2] and "other processes" in lines[3]
