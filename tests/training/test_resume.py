# SPDX-License-Identifier: Apache-2.0
"""A training that is killed and started again against one that was left alone."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("tensorflow")

import tensorflow as tf
from tensorflow.core.util import event_pb2

from tests.training import resumable

ROOT = Path(__file__).resolve().parents[2]
STEPS = {"member": resumable.MEMBER.steps, "detector": resumable.DETECTOR.steps}


def train(what: str, out: Path, kill_after: int | None = None) -> list[str]:
    """Lines of a training in its own process, which dies of SIGKILL once it told step ``kill_after``."""
    last = [] if kill_after is None else [str(kill_after)]
    process = subprocess.run(
        [sys.executable, "-m", "tests.training.resumable", what, str(out), *last],
        cwd=ROOT,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.returncode == (0 if kill_after is None else -signal.SIGKILL)
    return process.stdout.splitlines()


def curves(folder: Path) -> Iterator[tuple[str, int, float]]:
    """Points (name, step, value) in the event files of a folder."""
    for path in sorted(folder.iterdir()):
        for record in tf.data.TFRecordDataset(str(path)):
            event = event_pb2.Event.FromString(record.numpy())
            for value in event.summary.value:
                assert value.metadata.plugin_data.plugin_name == "scalars"
                yield value.tag, event.step, float(tf.make_ndarray(value.tensor))


@pytest.mark.slow
@pytest.mark.parametrize(("what", "kills"), [("member", (17, 31)), ("detector", (10,))])
def test_killed_and_resumed_ends_with_the_same_bytes(what: str, kills: tuple[int, ...], tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    lines = train(what, whole)
    assert len(lines) == STEPS[what]
    first = 1
    for kill in kills:
        told = train(what, killed, kill_after=kill)
        assert int(told[0].split()[0]) == first
        first = kill // resumable.CHECKPOINT_EVERY * resumable.CHECKPOINT_EVERY + 1
    rest = train(what, killed)
    assert int(rest[0].split()[0]) == first > 1
    assert rest == lines[first - 1 :]
    weights = sorted(p.name for p in whole.glob("*.weights.h5"))
    assert weights
    for name in weights:
        assert (killed / name).read_bytes() == (whole / name).read_bytes()
    assert sorted(curves(killed / "logs")) == sorted(curves(whole / "logs"))
