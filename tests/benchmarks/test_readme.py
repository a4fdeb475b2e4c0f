# SPDX-License-Identifier: Apache-2.0
import json

import pytest

from benchmarks import readme
from benchmarks.result import REFERENCE


def document(**changed):
    target = {"name": "serving tax", "value": 1.0449, "goal": 1.15, "at_most": True, "met": True}
    machine = {"processor": "A CPU", "cores": 2}
    made = {"kind": "tax", "valid": True, "broken_rules": [], "targets": [target], "machine": machine}
    return made | {"commit": "0123456789ab"} | changed


def test_readme_quotes_the_committed_results() -> None:
    text = readme.README.read_text("utf-8")
    assert readme.replaced(text, readme.table(readme.results(REFERENCE))) == text, "run python -m benchmarks.readme"


def test_without_results_the_readme_says_so(tmp_path) -> None:
    assert readme.table(readme.results(tmp_path)) == readme.NONE


def test_a_missed_target_is_called_so() -> None:
    target = {"name": "x", "value": 2.0, "goal": 3.0, "at_most": False, "met": False}
    assert "| x (`tax`) | 2 | ≥ 3 | missed |" in readme.table([document(targets=[target])])
    assert "| serving tax (`tax`) | 1.04 | ≤ 1.15 |  |" in readme.table([document()])


def test_a_run_that_does_not_hold_is_not_quoted(tmp_path) -> None:
    (tmp_path / "tax.json").write_text(json.dumps(document(valid=False, broken_rules=["unstable windows"])))
    with pytest.raises(ValueError, match="unstable windows"):
        readme.results(tmp_path)


@pytest.mark.parametrize("commit", [None, "0123456789ab+changes"])
def test_a_run_of_code_that_no_commit_holds_is_not_quoted(tmp_path, commit: str | None) -> None:
    (tmp_path / "tax.json").write_text(json.dumps(document(commit=commit)))
    with pytest.raises(ValueError, match="no commit holds"):
        readme.results(tmp_path)


def test_marks_must_be_there() -> None:
    assert (
        readme.replaced(f"a\n{readme.BEGIN}\nold\n{readme.END}\nb", "new") == f"a\n{readme.BEGIN}\nnew\n{readme.END}\nb"
    )
    with pytest.raises(ValueError, match="no place"):
        readme.replaced("nothing here", "new")
