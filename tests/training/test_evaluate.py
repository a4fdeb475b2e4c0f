# SPDX-License-Identifier: Apache-2.0
"""The evaluation as a whole, with networks that answer by rule: no weights, no luck."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("tensorflow")

from vcf_contract.errors import SetupError
from vcf_training import evaluate
from vcf_training.evaluation.cases import Case


def scripted(cases: list[Case]) -> list[Callable[[], Any]]:
    return [partial(SimpleNamespace, name=c.name, case=c) for c in cases]


def test_document_holds_the_published_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from tests.training.evaluation.made import mixed, refused

    (tmp_path / "manifest.json").write_text(json.dumps({"operating_point": {"threshold": 0.45}, "files": {}}))
    monkeypatch.setattr(evaluate, "tasks", lambda *_: scripted([*mixed(20), refused(99)]))
    monkeypatch.setattr(evaluate, "examine", lambda made, *_, **__: made.case)
    monkeypatch.setattr(evaluate, "_networks", lambda _: None)
    seen: list[tuple[int, int]] = []
    found = evaluate.evaluate("phantom-test", 21, tmp_path, done=lambda *step: seen.append(step))
    loaded = json.loads(found.to_json())
    for key in ("study_auc", "sensitivity", "specificity", "height_baseline_auc", "not_processed"):
        assert 0 <= loaded[key] <= 1, key
    low, high = loaded["study_auc_interval"]
    assert low <= loaded["study_auc"] <= high
    assert loaded["synthetic"] is True
    assert len(loaded["results"]) == 21
    assert seen[-1] == (21, 21)


def test_weights_without_an_operating_point_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="no operating point"):
        evaluate.operating_points(tmp_path)
