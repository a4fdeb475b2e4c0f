# SPDX-License-Identifier: Apache-2.0
"""Sets of studies that take long to draw: part by part, in several processes, each part kept as soon as it is there.

A drawing that was interrupted goes on with the parts that are missing, today or another day.
"""

import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from vcf_training.studies import Studies

Done = Callable[[int, int], None]
"""A callback that gets (parts done, parts in all)."""


def load_drawn(
    path: Path,
    draw: Callable[[Any], list[Studies]],
    tasks: Sequence[Any],
    *,
    workers: int = 2,
    prepare: Callable[..., None] | None = None,
    given: tuple[Any, ...] = (),
    done: Done = lambda *_: None,
) -> Studies:
    """The studies at ``path``, or those of all ``tasks`` in their order, drawn now and saved there if there are any.

    Parameters
    ----------
    draw
        Makes the studies of a task; a function of a module, since other processes call it; with one worker, this.
    prepare
        Called with ``given`` in each process before anything is drawn.
    """
    if path.is_file():
        return Studies.load(path)
    parts = path.with_suffix(".parts")
    parts.mkdir(parents=True, exist_ok=True)
    files = [parts / f"{number}.npz" for number in range(len(tasks))]
    missing = [number for number, file in enumerate(files) if not file.is_file()]
    finished = len(files) - len(missing)
    done(finished, len(files))
    if workers == 1 and missing:
        _begin(prepare, given)
        for number in missing:
            _draw_to(files[number], draw, tasks[number])
            finished += 1
            done(finished, len(files))
    elif missing:
        count = min(workers, len(missing))
        with ProcessPoolExecutor(count, get_context("spawn"), initializer=_begin, initargs=(prepare, given)) as pool:
            for future in as_completed([pool.submit(_draw_to, files[i], draw, tasks[i]) for i in missing]):
                future.result()
                finished += 1
                done(finished, len(files))
    drawn = [part for file in files if len(part := Studies.load(file))]
    studies = Studies.joined(drawn) if drawn else Studies.none()
    if drawn:
        studies.save(path)
    shutil.rmtree(parts)
    return studies


def _begin(prepare: Callable[..., None] | None, given: tuple[Any, ...]) -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    if prepare:
        prepare(*given)


def _draw_to(file: Path, draw: Callable[[Any], list[Studies]], task: Any) -> None:
    drawn = draw(task)
    (Studies.joined(drawn) if drawn else Studies.none()).save(file)
