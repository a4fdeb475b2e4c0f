# SPDX-License-Identifier: Apache-2.0
"""The whole pipeline, from the volume to the study score, on held-out studies: cases, figures, report."""

import hashlib
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from vcf_contract.errors import SetupError
from vcf_training.data.datasets import DEFAULT, Options
from vcf_training.evaluation import canal
from vcf_training.evaluation.cases import Case
from vcf_training.evaluation.examine import examine
from vcf_training.evaluation.figures import figures
from vcf_training.evaluation.graded import per_vertebra
from vcf_training.evaluation.real import GRADED_BY
from vcf_training.evaluation.robustness import of_changes
from vcf_training.evaluation.studies import MEANING, REAL, RENDERED, Task, recipe, tasks
from vcf_training.store import SHIPPED, Networks, load_networks, read_manifest

Done = Callable[[int, int], None]
SERVED = "served"


@dataclass(frozen=True)
class Evaluation:
    """``document`` is the JSON, without the single results; ``cases`` have those and the pictures."""

    document: dict[str, Any]
    cases: tuple[Case, ...]

    def to_json(self) -> str:
        """JSON text; what is no number is null."""
        results = [case.to_dict() for case in self.cases]
        return json.dumps(_finite(self.document | {"results": results}), indent=2, allow_nan=False) + "\n"


def evaluate(
    data: str,
    count: int,
    folder: Path = SHIPPED,
    *,
    options: Options = DEFAULT,
    robustness: bool = False,
    workers: int = 1,
    done: Done = lambda *_: None,
) -> Evaluation:
    """Evaluate the weights in a folder on a named set, or on the annotated data at a path, of which
    the part is taken that the weights did not learn from.

    Parameters
    ----------
    count
        How many studies of a set that can be drawn without end; other data is taken whole.
    options
        How the data at a path is read.
    robustness
        Analyse each study under every change of ``evaluation.changes``, too.
    workers
        Processes. Each loads the networks for itself; the answers are the same.

    Raises
    ------
    SetupError
        If the weights have no operating point, or nothing of the data is at hand.
    DataError
        If the data at the path cannot be read.
    """
    points = operating_points(folder)
    wanted = tasks(data, count, folder, options)
    if not wanted:
        raise SetupError(
            "the data holds no study that these weights may be tested on: all patients are of their training"
        )
    explain_from = float(points[SERVED]["threshold"]) if data == REAL else None
    cases: list[Case] = []
    how = {"explain_from": explain_from, "change": robustness}
    for number, case in enumerate(_examined(wanted, folder, how, workers), 1):
        if case is not None:
            cases.append(case)
        done(number, len(wanted))
    document: dict[str, Any] = {
        "data": data if data in MEANING else "own data",
        "meaning": MEANING.get(data, "one's own annotated studies, as far as these weights did not learn from them"),
        "synthetic": any(case.synthetic for case in cases),
        "recipe": recipe(data),
        "left_out": len(wanted) - len(cases),
        "weights": weights_hash(folder),
    }
    document |= figures(cases, points)
    if robustness:
        document["robustness"] = of_changes(cases, document["threshold"])
    if data in (REAL, RENDERED):
        read = [case for case in cases if data == RENDERED or case.traits.get("label") == GRADED_BY]
        document["graded"] = per_vertebra(read, document["threshold"])
    if data == REAL:
        document["canal"] = canal.evaluate_canal(_networks(folder).detector, canal.known_slices())
    return Evaluation(document, tuple(cases))


def operating_points(folder: Path) -> dict[str, Mapping[str, Any]]:
    """Those in the manifest, all fixed on tuning data; the served one is the first.

    Raises
    ------
    SetupError
        If there is none.
    """
    manifest = read_manifest(folder)
    served = manifest.get("operating_point")
    if served is None:
        raise SetupError(f"the manifest in {folder} has no operating point: run `vcf train threshold --out {folder}`")
    return {SERVED: served} | dict(served.get("alternatives", {}))


def weights_hash(folder: Path) -> str:
    """SHA-256 over the hashes of the weights files in the manifest: which weights the figures are of."""
    files = read_manifest(folder).get("files", {})
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


@cache
def _networks(folder: Path) -> Networks:
    return load_networks(folder)


def _examine(task: Task, folder: Path, how: Mapping[str, Any]) -> Case | None:
    study = task()
    return None if study is None else examine(study, _networks(folder), **how)


def _examined(wanted: list[Task], folder: Path, how: Mapping[str, Any], workers: int) -> Iterator[Case | None]:
    """Cases in the order of the tasks; ``how`` goes to `examine`."""
    if workers <= 1:
        for task in wanted:
            yield _examine(task, folder, how)
        return
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=_one_thread) as pool:
        count = len(wanted)
        yield from pool.map(_examine, wanted, [folder] * count, [how] * count)


def _one_thread() -> None:
    os.environ["OMP_NUM_THREADS"] = os.environ["TF_NUM_INTRAOP_THREADS"] = "1"


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
