# SPDX-License-Identifier: Apache-2.0
"""The sets of studies that members learn from, tune on and are tested on: drawn once, kept in the cache."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vcf_training.code_digest import code_digest
from vcf_training.drawn import load_drawn
from vcf_training.phantom import HELD_OUT_RANGES, TRAINING_RANGES, Ranges, render, sample
from vcf_training.studies import Studies
from vcf_training.views import Crop, preparation_code, view

Done = Callable[[int, int], None]
"""A callback that gets (patients done, patients in all)."""

TUNING_SEEDS, TEST_SEEDS = 500_000, 900_000
"""First seeds of the sets; training starts at 0, so no patient is in two of them."""
RENDER_PIXEL_MM = 1.0
"""The pixel size in-plane, for training: patches sample the volume every 1.5–2 mm, and a coarser phantom renders
twice as fast."""
_PATIENTS_PER_TASK = 8


@dataclass(frozen=True)
class PhantomSet:
    """Tell which phantoms, and how each is seen.

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


def training_set(patients: int, views: int, crop: Crop = Crop()) -> PhantomSet:  # noqa: B008 (immutable)
    """Twins from the training ranges."""
    return PhantomSet(0, patients, TRAINING_RANGES, views=views, crop=crop)


def tuning_set(patients: int, crop: Crop = Crop()) -> PhantomSet:  # noqa: B008 (immutable)
    """Other patients from the training ranges: hyper-parameters, the best step and the threshold come from them."""
    return PhantomSet(TUNING_SEEDS, patients, TRAINING_RANGES, twins=False, crop=crop)


def test_set(patients: int, overlap: float = 0.0) -> PhantomSet:
    """Patients from ranges that training never saw, at the scan's own resolution."""
    whole = Crop(whole_share=1.0, overlaps=(overlap,))
    return PhantomSet(TEST_SEEDS, patients, HELD_OUT_RANGES, twins=False, pixel_mm=None, crop=whole)


def load(wanted: PhantomSet, cache: Path, *, workers: int = 2, done: Done = lambda *_: None) -> Studies:
    """The studies of a set, from the cache or drawn now and cached.

    The name in the cache holds a hash of the set's description and of the code that draws it. What was drawn before an
    interruption is kept.
    """
    path = cache / f"studies-{_digest(wanted)}.npz"
    seeds = range(wanted.first_seed, wanted.first_seed + wanted.patients)
    tasks = [(wanted, seeds[i : i + _PATIENTS_PER_TASK]) for i in range(0, len(seeds), _PATIENTS_PER_TASK)]

    def drawn(parts: int, _: int) -> None:
        done(min(parts * _PATIENTS_PER_TASK, len(seeds)), len(seeds))

    return load_drawn(path, _draw, tasks, workers=workers, done=drawn)


def _draw(task: tuple[PhantomSet, Sequence[int]]) -> list[Studies]:
    (wanted, seeds), drawn = task, []
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
    return drawn


def _digest(wanted: PhantomSet) -> str:
    root = Path(__file__).parent
    code = [root / "views.py", root / "dataset.py", *root.glob("phantom/*.py"), *preparation_code()]
    return code_digest(code, wanted)
