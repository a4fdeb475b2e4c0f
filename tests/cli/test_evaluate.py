# SPDX-License-Identifier: Apache-2.0
import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from vcf_cli.options import evaluate as options


def parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    options.add_parser(parser.add_subparsers())
    return parser.parse_args(["evaluate", *words])


@pytest.mark.parametrize("option", ["--n", "--workers"])
@pytest.mark.parametrize("value", ["0", "-3", "two"])
def test_counts_are_whole_and_positive(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(option, value)
    assert "is not a whole number of at least 1" in capsys.readouterr().err


def test_terminal_json_and_page(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tensorflow")
    from tests.training.evaluation.made import mixed, refused
    from vcf_cli import evaluate as command
    from vcf_training import evaluate as library
    from vcf_training.evaluation.figures import figures

    cases = [*mixed(20), refused(99)]
    document: dict[str, Any] = {"data": "phantom-test", "meaning": "by hand", "synthetic": True, "recipe": {}}
    document |= {"weights": "0", "left_out": 0} | figures(cases, {"served": {"threshold": 0.45}})
    asked: dict[str, Any] = {}

    def answer(data: str, count: int, folder: Path, **more: Any) -> Any:
        asked.update(more, data=data, count=count)
        return library.Evaluation(document, tuple(cases))

    monkeypatch.setattr(command, "evaluate", answer)
    found = parse("--n", "21", "--workers", "2", "--json", str(tmp_path / "a/b.json"), "--report", str(tmp_path / "r"))
    assert command.run(found) == 0
    said = capsys.readouterr().out
    assert (asked["data"], asked["count"], asked["workers"]) == ("phantom-test", 21, 2)
    assert "all figures are synthetic" in said
    assert f"{document['study_auc']:.4g}" in said
    assert "refused SPINE_NOT_FOUND" in said
    assert json.loads((tmp_path / "a/b.json").read_text())["study_auc"] == document["study_auc"]
    assert (tmp_path / "r" / "evaluation.html").is_file()
