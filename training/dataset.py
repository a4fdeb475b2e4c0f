# SPDX-License-Identifier: Apache-2.0
"""The sets of studies that members learn from, tune on and are tested on: drawn once, kept in the cache."""

import hashlib
import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from training.phantom import HELD_OUT_RANGES, TRAINING_RANGES, Ranges, render, sample
from training.studies import Studies
from training.views import Crop, view

log = logging.getLogger(__name__)
Done = Callable[[int, int], None]
"""Called with (patients done, patients in all)."""

TUNING_SEEDS, TEST_SEEDS = 500_000, 900_000
"""First seeds of the sets; training starts at 0, so no patient is in two of them."""
RENDER_PIXEL_MM = 1.0
"""In-plane, for training: patches sample the volume every 1.5–2 mm, and a coarser phantom renders twice as fast."""
_PATIENTS_PER_TASK = 8


@dataclass(frozen=True)
class PhantomSet:
    """Which phantoms, and how each is seen.

    twins
        Every patient is rendered twice, healthy and fractured: nothing but the fracture tells them apart.
        Otherwise every second patient is fractured.
    pixel_mm
        In-plane; None for the scan's own.
    """

    first_seed: int
    patients: int
    ranges: Ranges
    twins: bool = True
    views: int = 1
    pixel_mm: float | None = RENDER_PIXEL_MM
    crop: Crop = Crop()  # noqa: RUF009 (immutable)


def training_set(patients: int, views: int) -> PhantomSet:
    """Twins from the training ranges."""
    return PhantomSet(0, patients, TRAINING_RANGES, views=views)


def tuning_set(patients: int) -> PhantomSet:
    """Other patients from the training ranges: hyper-parameters, the best step and the threshold come from them."""
    return PhantomSet(TUNING_SEEDS, patients, TRAINING_RANGES, twins=False)


def test_set(patients: int) -> PhantomSet:
    """Patients from ranges that training never saw, at the scan's own resolution."""
    return PhantomSet(TEST_SEEDS, patients, HELD_OUT_RANGES, twins=False, pixel_mm=None, crop=Crop(whole_share=1.0))


def load(wanted: PhantomSet, cache: Path, *, workers: int = 2, done: Done = lambda *_: None) -> Studies:
    """The studies of a set, from the cache or drawn now and cached.

    The name in the cache holds a hash of the set's description and of the code that draws it.
    """
    path = cache / f"studies-{_digest(wanted)}.npz"
    if path.is_file():
        return Studies.load(path)
    seeds = range(wanted.first_seed, wanted.first_seed + wanted.patients)
    tasks = [seeds[i : i + _PATIENTS_PER_TASK] for i in range(0, len(seeds), _PATIENTS_PER_TASK)]
    parts: list[Studies] = []
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=_one_thread) as pool:
        for part in pool.map(_draw, [wanted] * len(tasks), tasks):
            parts.append(part)
            done(min(len(parts) * _PATIENTS_PER_TASK, len(seeds)), len(seeds))
    studies = Studies.joined(parts)
    cache.mkdir(parents=True, exist_ok=True)
    studies.save(path)
    return studies


def _one_thread() -> None:
    os.environ["OMP_NUM_THREADS"] = "1"


def _draw(wanted: PhantomSet, seeds: Sequence[int]) -> Studies:
    drawn = []
    for seed in seeds:
        for probability in (0.0, 1.0) if wanted.twins else (float(seed % 2),):
            spec = sample(seed, ranges=wanted.ranges, fracture_probability=probability)
            dz, own, _ = spec.acquisition.spacing_mm
            pixel = wanted.pixel_mm or own
            phantom = render(spec, spacing_mm=(dz, pixel, pixel), region="spine")
            rng = np.random.default_rng([seed, 77])  # the same for both twins: same fields of view
            for number in range(wanted.views):
                study = view(
                    phantom.volume.hu,
                    phantom.volume.spacing_mm,
                    phantom.centre_line_mm,
                    phantom.vertebrae,
                    f"phantom-{seed}.{number}",
                    rng,
                    crop=wanted.crop,
                    complete=True,
                )
                if study is not None:
                    drawn.append(study)
    return Studies.joined(drawn)


def _digest(wanted: PhantomSet) -> str:
    root = Path(__file__).parent
    code = [root / "views.py", root / "dataset.py", *root.glob("phantom/*.py"), *root.parent.glob("preprocess/*.py")]
    content = repr(wanted).encode() + b"".join(p.read_bytes() for p in sorted(code))
    return hashlib.sha256(content).hexdigest()[:16]
