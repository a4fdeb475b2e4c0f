# SPDX-License-Identifier: Apache-2.0
"""Endless deformed copies of a few real patients, half of them with fractures."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.random import Generator

from vcf_training.phantom import TRAINING_RANGES, Fracture, Ranges
from vcf_training.phantom.fracture import SHAPES, sample_fracture
from vcf_training.warp.collapse import Collapse, Deformity, Mild
from vcf_training.warp.field import Field, Wobble, random_posture
from vcf_training.warp.patients import Patient
from vcf_training.warp.render import Scanner, WarpedSpine, render
from vcf_training.warp.stretch import stretches

MAX_FRACTURES = 3
MAX_MILD = 2
"""Bodies that lose less height than a fracture takes, in the samples with fractures and without alike."""
MILD_LOSS = (0.02, 0.13)
WOBBLE_MM = (0.0, 1.2)
NOISE_HU = (0.0, 18.0)
CONTRAST = (0.85, 1.12)
PIXEL_MM = (0.9, 1.1)
BLUR_MM, SHARPENED = (0.2, 0.9), (0.0, 1.0)
"""Reconstruction kernels: a share of the scans is blurred, another sharpened."""
MAX_SLICE_MM = 5.0
ATTEMPTS = 8


def warped_spines(
    seed: int,
    count: int,
    *,
    patients: Sequence[Patient],
    ranges: Ranges = TRAINING_RANGES,
    fracture_probability: float = 0.5,
) -> Iterator[WarpedSpine]:
    """Deform randomly chosen patients; the same arguments always give the same samples.

    A patient comes up the more often the more vertebrae are known, by the square root. Each sample gets another size,
    posture, slice thickness and noise, a smooth deformation, and now and then a body that loses height without a
    fracture, whether another is fractured or not: being warped tells nothing.

    Raises
    ------
    ValueError
        If there are no patients, or ``fracture_probability`` is no probability.
    """
    if not patients:
        raise ValueError("patients is empty, at least one is needed")
    if not 0 <= fracture_probability <= 1:
        raise ValueError(f"fracture_probability is {fracture_probability}, accepted are 0 to 1")
    share = np.sqrt([max(1, len(patient.collapsible)) for patient in patients])
    turns = np.random.default_rng(seed).choice(len(patients), count, p=share / share.sum())
    for i, turn in enumerate(turns):
        yield warped_spine([seed, i], patients[turn], ranges=ranges, fracture_probability=fracture_probability)


def warped_spine(
    seed: int | Sequence[int],
    patient: Patient,
    *,
    ranges: Ranges = TRAINING_RANGES,
    fracture_probability: float = 0.5,
    healed: bool = False,
) -> WarpedSpine:
    """One deformed copy. A deformation that leaves too little of the CT, or hides a fracture, is drawn again.

    ``fracture_probability`` has no influence on anything but the fractures, so 0 and 1 give twins, healthy and ill,
    as long as neither had to be drawn again. A patient's own fractures stay, unless ``healed`` stretches those bodies
    back: that gives twins too.

    Raises
    ------
    ValueError
        If that happens ``ATTEMPTS`` times: the CT is too short for these deformations.
    """
    reason = "every fracture fell outside the CT"
    for attempt in range(ATTEMPTS):
        injury, mild, lie, scan = (
            np.random.default_rng([*np.atleast_1d(seed).tolist(), attempt, part]) for part in range(4)
        )
        fractured = bool(injury.random() < fracture_probability)
        hows = _draw_mild(mild, patient, ranges) | (_draw_fractures(injury, patient, ranges) if fractured else {})
        back = list[Collapse](stretches(patient)) if healed else []
        shown = replace(patient, grades={}) if healed else patient
        try:
            sample = render(shown, _draw_field(lie, patient, hows, back), _draw_scanner(scan, patient), scan)
        except ValueError as error:
            reason = str(error)
            continue
        wanted = {level for level, how in hows.items() if isinstance(how, Fracture)}
        found = {v.level for v in sample.vertebrae if v.grade}
        if wanted == found - set(shown.grades) and (found or not shown.grades):
            return sample
    raise ValueError(f"no deformation of {patient.name} succeeded in {ATTEMPTS} attempts: {reason}")


def _some_levels(rng: Generator, patient: Patient, count: int) -> list[str]:
    levels = [body.level for body in patient.bodies if body.level in patient.collapsible]
    return [levels[i] for i in rng.permutation(len(levels))[:count]]


def _draw_fractures(rng: Generator, patient: Patient, ranges: Ranges) -> dict[str, Deformity]:
    levels = _some_levels(rng, patient, int(rng.choice((1, 2, MAX_FRACTURES), p=(0.65, 0.25, 0.1))))
    grades = rng.choice((1, 2, 3), len(levels), p=(0.3, 0.4, 0.3))
    return {level: sample_fracture(rng, ranges, int(grade)) for level, grade in zip(levels, grades, strict=True)}


def _draw_mild(rng: Generator, patient: Patient, ranges: Ranges) -> dict[str, Deformity]:
    return {
        level: Mild(
            shape=str(rng.choice(SHAPES)),
            loss=float(rng.uniform(*MILD_LOSS)),
            upper_share=float(rng.uniform(0.3, 1.0)),
            power=float(rng.uniform(*ranges.wedge_power)),
            angulation=float(rng.uniform(*ranges.angulation)),
        )
        for level in _some_levels(rng, patient, int(rng.integers(MAX_MILD + 1)))
    }


def _draw_field(
    rng: Generator, patient: Patient, hows: Mapping[str, Deformity], stretched: Sequence[Collapse]
) -> Field:
    collapses = [
        Collapse(body, hows[body.level], [other for other in patient.bodies if other is not body])
        for body in patient.bodies
        if body.level in hows
    ] + list(stretched)
    middle_z = (len(patient.volume.hu) - 1) * patient.volume.spacing_mm[0] / 2
    centre = np.append(patient.canal_mm.mean(axis=0), middle_z)
    wobble = Wobble(int(rng.integers(2**31)), float(rng.uniform(*WOBBLE_MM)))
    return Field(centre, collapses, random_posture(rng), wobble)


def _draw_scanner(rng: Generator, patient: Patient) -> Scanner:
    """Slices as thick as the patient's or thicker: thinner ones would show what was never measured."""
    native = patient.volume.spacing_mm[0]
    thickest = max(native, MAX_SLICE_MM)
    slice_mm = native if rng.random() < 0.4 else float(np.exp(rng.uniform(np.log(native), np.log(thickest))))
    return Scanner(
        round(slice_mm, 2),
        round(float(rng.uniform(*PIXEL_MM)), 3),
        float(rng.uniform(*NOISE_HU)),
        float(rng.uniform(*CONTRAST)),
        *_draw_kernel(rng),
    )


def _draw_kernel(rng: Generator) -> tuple[float, float]:
    """Blur and sharpening: neither for half of the scans."""
    blur, sharpened, kind = float(rng.uniform(*BLUR_MM)), float(rng.uniform(*SHARPENED)), rng.random()
    return (blur if kind < 0.25 else 0.0), (sharpened if kind > 0.75 else 0.0)
