# SPDX-License-Identifier: Apache-2.0
"""Curves of a training for TensorBoard (``tensorboard --logdir OUT/logs``)."""

from pathlib import Path

import tensorflow as tf


class Curves:
    """Scalars by step, in TensorFlow's event files; without a folder, nothing.

    They are written with ``flush`` alone. Flushed just before each checkpoint, the curves of a killed training end
    where its checkpoint does, and the resumed one continues them without writing a step twice. A training that starts
    anew removes the curves of the one before.
    """

    def __init__(self, folder: Path | None, *, resumed: bool = False) -> None:
        self._waiting: list[tuple[int, str, float]] = []
        self._writer = None
        if folder is not None:
            if not resumed:
                for old in folder.glob("events.out.tfevents.*"):
                    old.unlink()
            self._writer = tf.summary.create_file_writer(str(folder))
        # tf.summary.scalar would ask for TensorBoard itself, which only the reader of the curves needs.
        self._kind = tf.compat.v1.SummaryMetadata(
            plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars")
        )

    def add(self, step: int, **figures: float) -> None:
        """One point of each named curve."""
        if self._writer is not None:
            self._waiting += [(step, name, value) for name, value in figures.items()]

    def flush(self) -> None:
        """Write what was added."""
        if self._writer is None:
            return
        with self._writer.as_default():
            for step, name, value in self._waiting:
                tf.summary.write(name, tf.constant(value, tf.float32), step, metadata=self._kind)
        self._writer.flush()
        self._waiting.clear()

    def close(self) -> None:
        """Write the rest and release the file."""
        self.flush()
        if self._writer is not None:
            self._writer.close()
