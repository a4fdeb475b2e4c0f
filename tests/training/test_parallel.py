# SPDX-License-Identifier: Apache-2.0
"""Members in processes of their own, on studies that any network can learn."""

import multiprocessing
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("tensorflow")

from tests.training import resumable
from vcf_contract.errors import SetupError
from vcf_training import store
from vcf_training.checkpoint import Checkpoint, settings_of
from vcf_training.parallel import MemberOutcome, MemberTask, threads_of, train_in_parallel

STEPS = 20
PRESET = replace(resumable.MEMBER, steps=STEPS, evaluate_every=10)
TRAINING, TUNING = resumable.bright_or_dark(24, 0), resumable.bright_or_dark(12, 1)


def task(out: Path, name: str, seed: int = 4, steps: int = STEPS) -> MemberTask:
    preset = replace(PRESET, steps=steps)
    kept = Checkpoint(out / f"{name}.npz", settings_of(preset, seed, "d"), every=7)
    return MemberTask(name, preset, seed, kept, out, out / "logs", threads=threads_of(2))


def trained(out: Path, workers: int) -> tuple[dict[str, MemberOutcome], dict[str, list[int]]]:
    steps: dict[str, list[int]] = {"a": [], "b": []}
    tasks = [task(out, "a"), task(out, "b", seed=5)]
    progress = lambda name, step, _: steps[name].append(step)  # noqa: E731
    outcomes = train_in_parallel(tasks, TRAINING, TUNING, progress, workers=workers)
    return {of.name: outcome for of, outcome in outcomes}, steps


@pytest.mark.slow
def test_processes_of_their_own_learn_what_one_process_learns(tmp_path: Path) -> None:
    """Up to rounding: sums are shared out to other numbers of threads."""
    beside, steps = trained(tmp_path / "beside", workers=2)
    after, _ = trained(tmp_path / "after", workers=1)
    assert steps == {name: list(range(1, STEPS + 1)) for name in ("a", "b")}
    for name, outcome in beside.items():
        assert outcome.tuning_auc == pytest.approx(after[name].tuning_auc, abs=0.05)
        assert [entry[0] for entry in outcome.history] == [10, 20]
        assert outcome.history[-1][1] == pytest.approx(after[name].history[-1][1], rel=0.01)
        assert store.weights_path(tmp_path / "beside", f"patch_encoder_{name}").is_file()
    assert beside["a"].history != beside["b"].history  # seeds of their own


@pytest.mark.slow
def test_a_process_that_dies_is_missed_though_the_other_goes_on(tmp_path: Path) -> None:
    steps = {"a": 0, "b": 0}
    killed = False

    def kill(name: str, step: int, _: object) -> None:
        nonlocal killed
        steps[name] = step
        if not killed and steps["a"] > 7 and steps["b"] > 0:
            killed = True
            (process,) = (p for p in multiprocessing.active_children() if p.name == "a")
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)

    tasks = [task(tmp_path, "a", steps=10_000), task(tmp_path, "b", steps=10_000)]
    with pytest.raises(SetupError, match="trained member a ended with exit status -9: the same command goes on"):
        list(train_in_parallel(tasks, TRAINING, TUNING, kill, workers=2))
    assert not multiprocessing.active_children()
    assert steps["b"] < 10_000
    assert (tmp_path / "a.npz").is_file()  # its checkpoint


@pytest.mark.slow
def test_an_error_in_a_process_is_raised_here(tmp_path: Path) -> None:
    task(tmp_path, "b").kept.save({}, {})
    refused = replace(task(tmp_path, "b"), kept=Checkpoint(tmp_path / "b.npz", {"preset": "another"}))
    with pytest.raises(SetupError, match="belongs to another training"):
        list(train_in_parallel([refused], TRAINING, TUNING, lambda *_: None, workers=2))
    broken = replace(task(tmp_path, "a"), preset=replace(PRESET, initializer="no_such_one"))
    with pytest.raises(RuntimeError, match="member a: ValueError"):
        list(train_in_parallel([broken], TRAINING, TUNING, lambda *_: None, workers=2))


def test_nothing_to_train_is_no_work() -> None:
    for workers in (1, 3):
        assert not list(train_in_parallel([], TRAINING, TUNING, lambda *_: None, workers=workers))


def test_threads_depend_on_what_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    assert [threads_of(workers) for workers in (1, 2, 3, 20)] == [None, 4, 2, 1]
