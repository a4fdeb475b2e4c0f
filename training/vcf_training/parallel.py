# SPDX-License-Identifier: Apache-2.0
"""Members trained in parallel on one machine, a process and a share of the cores each.

The gradients of a convolution's weights keep one core busy, however many there are: three processes that share two
cores make 1.5 times the steps of one process that has both.
"""

import multiprocessing
import os
import queue
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.context import SpawnProcess
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from vcf_contract.errors import SetupError
from vcf_training import member, store
from vcf_training.checkpoint import Checkpoint
from vcf_training.patch_variants import resampled
from vcf_training.presets import MemberPreset
from vcf_training.studies import Studies

LOOK_EVERY_S = 0.5
GRACE_S = 2.0
"""An ended process' answer may still wait behind what the others send; after this it will not come any more."""

Progress = Callable[[str, int, dict[str, float]], None]
"""A callback that gets (member, step, figures)."""


@dataclass(frozen=True)
class MemberTask:
    """One member's training: what decides its weights, where it goes on from and where it writes."""

    name: str
    preset: MemberPreset
    seed: int
    kept: Checkpoint
    out: Path
    logs: Path
    start: Path | None = None
    threads: int | None = None
    """The threads of its process, which decide in what order sums are made; None leaves them to TensorFlow."""


@dataclass(frozen=True)
class MemberOutcome:
    """The result of a finished training, whose weights lie in its folder; the fields are ``member.TrainedMember``'s."""

    step: int
    tuning_auc: float
    history: list[tuple[int, float, float]]
    kept: Checkpoint
    """Knows how long the training took; its file is still there."""


def train_one(task: MemberTask, training: Studies, tuning: Studies, report_progress: Progress) -> MemberOutcome:
    """Train a member in this process and save its weights."""
    task.kept.begin()
    trained = member.train(
        resampled(training, task.preset.patch),
        resampled(tuning, task.preset.patch),
        task.preset,
        member=task.name,
        seed=task.seed,
        start=_start(task),
        progress=lambda step, figures: report_progress(task.name, step, figures),
        kept=task.kept,
        logs=task.logs,
    )
    store.save_member(task.out, task.name, trained.encoder, trained.head)
    return MemberOutcome(trained.step, trained.tuning_auc, trained.history, task.kept)


def _start(task: MemberTask) -> tuple[keras.Model, keras.Model] | None:
    if task.start is None:
        return None
    before = store.load_member(task.name, task.start)
    wanted = task.preset.architecture, task.preset.patch.grid
    if (found := (before.architecture, before.patch.grid)) != wanted:
        raise SetupError(f"member {task.name} in {task.start} is {found}, and what is to go on from it {wanted}")
    return before.encoder, before.head


def threads_of(workers: int) -> int | None:
    """A process's share of the cores; None for one worker, which has them all.

    It depends on what was asked for and not on what is left to do, so that a resumed training computes as it began.
    """
    return None if workers == 1 else max(1, len(os.sched_getaffinity(0)) // workers)


def train_in_parallel(
    tasks: Sequence[MemberTask], training: Studies, tuning: Studies, report_progress: Progress, *, workers: int
) -> Iterator[tuple[MemberTask, MemberOutcome]]:
    """Train at most ``workers`` members at a time; each comes as it finishes.

    With one worker that is this process. Processes end with this one, however it ends.

    Raises
    ------
    SetupError
        A process died, of too little memory for instance.
    """
    if workers == 1:
        for task in tasks:
            yield task, train_one(task, training, tuning, report_progress)
        return
    context = multiprocessing.get_context("spawn")
    answers: Queue[Any] = context.Queue()
    waiting, running = list(tasks), dict[str, tuple[MemberTask, SpawnProcess]]()
    ended_s: dict[str, float] = {}
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                task = waiting.pop(0)
                process = context.Process(
                    target=_work, args=(task, training, tuning, answers), name=task.name, daemon=True
                )
                process.start()
                running[task.name] = task, process
            with suppress(queue.Empty):
                name, answer = answers.get(timeout=LOOK_EVERY_S)
                if isinstance(answer, MemberOutcome):
                    task, process = running.pop(name)
                    process.join()
                    yield task, answer
                elif isinstance(answer, BaseException):
                    raise answer
                else:
                    report_progress(name, *answer)
            for name, (_, process) in running.items():
                if process.exitcode is not None:
                    since_s = ended_s.setdefault(name, time.monotonic())
                    if time.monotonic() - since_s > GRACE_S:
                        raise SetupError(
                            f"the process that trained member {name} ended with exit status {process.exitcode}:"
                            " the same command goes on where it was; --workers 1 needs less memory"
                        )
    finally:
        for _, process in running.values():
            process.terminate()
            process.join()


def _work(task: MemberTask, training: Studies, tuning: Studies, answers: "Queue[Any]") -> None:
    """Train one member in a process of its own."""
    if task.threads:
        tf.config.threading.set_intra_op_parallelism_threads(task.threads)
        tf.config.threading.set_inter_op_parallelism_threads(task.threads)
    parent = multiprocessing.parent_process()

    def report_progress(name: str, step: int, figures: dict[str, float]) -> None:
        if parent is not None and not parent.is_alive():
            os._exit(1)  # killed: the next command would train the same member beside this process
        answers.put((name, (step, figures)))

    try:
        answers.put((task.name, train_one(task, training, tuning, report_progress)))
    except SetupError as error:
        answers.put((task.name, SetupError(str(error))))
    except Exception as error:
        # As text: an exception that cannot be sent would leave the other side waiting.
        answers.put((task.name, RuntimeError(f"member {task.name}: {type(error).__name__}: {error}")))
        raise
