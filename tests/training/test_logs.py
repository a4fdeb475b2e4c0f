# SPDX-License-Identifier: Apache-2.0
"""Curves as TensorFlow reads them back."""

from pathlib import Path

import pytest

tf = pytest.importorskip("tensorflow")
from vcf_training.logs import Curves  # noqa: E402


def points(folder: Path) -> list[tuple[int, str, float]]:
    files = sorted(folder.glob("events.out.tfevents.*"))
    events = [event for file in files for event in tf.compat.v1.train.summary_iterator(str(file))]
    return [(e.step, value.tag, float(tf.make_ndarray(value.tensor))) for e in events for value in e.summary.value]


def test_points_are_written_when_flushed_and_not_before(tmp_path: Path) -> None:
    curves = Curves(tmp_path)
    curves.add(1, loss=0.5, auc=0.75)
    assert points(tmp_path) == []
    curves.flush()
    curves.add(2, loss=0.25)
    assert points(tmp_path) == [(1, "loss", 0.5), (1, "auc", 0.75)]
    curves.close()
    assert points(tmp_path)[-1] == (2, "loss", 0.25)


def test_a_training_that_goes_on_keeps_the_curves_and_a_new_one_does_not(tmp_path: Path) -> None:
    for step, resumed in ((1, False), (2, True)):
        curves = Curves(tmp_path, resumed=resumed)
        curves.add(step, loss=1.0 / step)
        curves.close()
    assert [step for step, _, _ in points(tmp_path)] == [1, 2]
    Curves(tmp_path).close()
    assert points(tmp_path) == []


def test_without_a_folder_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    curves = Curves(None)
    curves.add(1, loss=0.5)
    curves.close()
    assert not list(tmp_path.rglob("*"))
