# SPDX-License-Identifier: Apache-2.0
import json
from types import SimpleNamespace

import pytest

from vcf_benchmarks.harness.result import REFERENCE, Result, Target
from vcf_benchmarks.kinds import KINDS, LOOKS
from vcf_cli import exit_codes, main
from vcf_cli.bench import run_look

FLOOR = json.loads((REFERENCE / "floor.json").read_text("utf-8"))


@pytest.mark.parametrize(("broken", "code"), [([], 0), (["it lagged"], exit_codes.INVALID)])
def test_a_run_writes_json_and_page_and_says_whether_it_holds(tmp_path, monkeypatch, capsys, broken, code) -> None:
    def run(args) -> Result:
        assert args.runs == 3
        return Result("floor", {}, FLOOR["figures"], targets=[Target("times the floor", 2.5, 2.0)], broken=list(broken))

    monkeypatch.setattr(type(KINDS["floor"]), "command", lambda self: SimpleNamespace(run=run))
    path = tmp_path / "mine" / "floor.json"
    assert main(["bench", "floor", "--runs", "3", "--json", str(path)]) == code
    said = capsys.readouterr().out
    assert "times the floor" in said and "missed" in said and "floor.html" in said
    assert ("this run does not hold: it lagged" in said) is bool(broken)
    assert json.loads(path.read_text("utf-8"))["valid"] is not bool(broken)
    assert path.with_suffix(".html").read_text("utf-8").count("<svg") == 1


def test_a_look_prints_its_table_and_writes_figures_only_where_it_is_told(tmp_path, monkeypatch, capsys) -> None:
    module = SimpleNamespace(run=lambda args: {"a": 1}, table=lambda figures: [f"a is {figures['a']}"])
    monkeypatch.setattr(type(LOOKS["read"]), "command", lambda self: module)
    assert run_look(LOOKS["read"], SimpleNamespace(json=None)) == 0  # type: ignore[arg-type]
    assert capsys.readouterr().out == "a is 1\n" and not list(tmp_path.iterdir())
    assert main(["bench", "read", "--json", str(tmp_path / "deep" / "read.json")]) == 0
    assert json.loads((tmp_path / "deep" / "read.json").read_text("utf-8")) == {"a": 1}


def test_a_page_is_drawn_where_it_is_told(tmp_path, capsys) -> None:
    assert main(["bench", "page", str(REFERENCE / "floor.json"), "--out", str(tmp_path / "out")]) == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["floor.html"]
    assert str(tmp_path / "out" / "floor.html") in capsys.readouterr().out


def test_what_cannot_be_drawn_or_run_is_said_in_a_sentence(tmp_path, capsys) -> None:
    assert main(["bench", "page", str(tmp_path / "none.json")]) == exit_codes.SETUP
    assert "cannot be read" in capsys.readouterr().err
    assert main(["bench", "stages", "--runs", "0"]) == exit_codes.USAGE
    assert "--runs is 0; 1 and more are accepted" in capsys.readouterr().err
