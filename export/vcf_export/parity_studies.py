# SPDX-License-Identifier: Apache-2.0
"""The studies that the parity checks are made on: real CTs, deformed real CTs, phantoms. Whole volumes."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count, islice
from pathlib import Path

import numpy as np

from vcf_client.acceptance import MAX_THICKNESS_MM
from vcf_contract.spec import MIN_COVERAGE_MM
from vcf_preprocess.geometry import Volume
from vcf_preprocess.tent import AIR_HU
from vcf_training.data.real_spines import load_real_spines
from vcf_training.data.sources import Use
from vcf_training.phantom import HELD_OUT_RANGES, Phantom, render, sample
from vcf_training.warp import load_patients
from vcf_training.warp.dataset import warped_spine

FIRST_SEED = 950_000
"""The first seed: of no phantom that was learnt from, tuned on or evaluated."""
PIXEL_MM = 1.5
"""The pixel size of phantoms in-plane: patches are sampled every 1.5 to 2 mm."""
LEAST_WIDTH_MM = 256.0
"""Deformed CTs are boxes about the spine, with nothing around; air around them makes them look like a scan."""
USES: tuple[Use, ...] = ("train", "evaluate")


@dataclass(frozen=True)
class ParityStudy:
    """``phantom`` has the volume too, and what a DICOM header needs."""

    name: str
    kind: str
    """real, warped or phantom."""
    fractured: bool
    phantom: Phantom

    @property
    def volume(self) -> Volume:
        """The scan."""
        return self.phantom.volume


def studies(wanted: int, shared_data: Path | None = None, cache: Path | None = None) -> Iterator[ParityStudy]:
    """``wanted`` studies, the same ones every time: the real CTs at hand, as many deformed, and phantoms.

    A deformed CT is fractured, as every second phantom is.
    """
    real = list(_real(shared_data, cache))[: wanted // 3]
    yield from real
    patients = [p for use in USES for p in load_patients(shared_data, cache, use)]
    warped = 0
    for seed in range(4 * len(real)):
        if patients and warped < wanted // 6 and (study := _warped(seed, patients[seed % len(patients)])):
            warped += 1
            yield study
    yield from islice(_phantoms(), wanted - len(real) - warped)


def _phantoms() -> Iterator[ParityStudy]:
    """Draw phantoms without those whose slices the reader refuses as too thick: no score of theirs could be
    compared."""
    for seed in count(FIRST_SEED):
        spec = sample(seed, ranges=HELD_OUT_RANGES, fracture_probability=float(seed % 2))
        pitch_mm = spec.acquisition.spacing_mm[0]
        if pitch_mm * spec.acquisition.overlap <= MAX_THICKNESS_MM:
            phantom = render(spec, spacing_mm=(pitch_mm, PIXEL_MM, PIXEL_MM))
            yield ParityStudy(f"phantom-{seed}", "phantom", any(v.grade for v in phantom.vertebrae), phantom)


def _real(shared_data: Path | None, cache: Path | None) -> Iterator[ParityStudy]:
    for use in USES:
        for spine in load_real_spines(shared_data, cache, use):
            if len(spine.volume.hu) * spine.volume.spacing_mm[0] >= MIN_COVERAGE_MM:
                yield ParityStudy(f"real-{spine.patient}", "real", False, _as_phantom(spine.volume, 0))


def _warped(seed: int, patient: "object") -> ParityStudy | None:
    try:
        spine = warped_spine([FIRST_SEED, seed], patient, fracture_probability=1.0)  # type: ignore[arg-type]
    except ValueError:  # a short CT that no drawn deformation fits
        return None
    volume = spine.volume
    if len(volume.hu) * volume.spacing_mm[0] < MIN_COVERAGE_MM:
        return None
    return ParityStudy(f"warped-{spine.patient}-{seed}", "warped", True, _as_phantom(widened(volume), seed + 1))


def widened(volume: Volume, least_mm: float = LEAST_WIDTH_MM) -> Volume:
    """Put air around a volume in-plane, until it is at least so wide and deep."""
    missing = [
        max(0, int(np.ceil(least_mm / pixel)) - n)
        for n, pixel in zip(volume.hu.shape[1:], volume.spacing_mm[1:], strict=True)
    ]
    before = [m // 2 for m in missing]
    hu = np.pad(
        volume.hu,
        ((0, 0), *((b, m - b) for b, m in zip(before, missing, strict=True))),
        constant_values=int(AIR_HU),
    )
    affine = volume.affine.copy()
    affine[:3, 3] -= affine[:3, 0] * before[1] + affine[:3, 1] * before[0]
    return Volume(hu, volume.spacing_mm, affine)


def _as_phantom(volume: Volume, number: int) -> Phantom:
    """A volume with the header of a synthetic patient, so that it can be written as DICOM."""
    spec = sample(FIRST_SEED - 1 - number, ranges=HELD_OUT_RANGES)
    slices = len(volume.hu)
    spec = replace(spec, acquisition=replace(spec.acquisition, overlap=1.0))
    return Phantom(volume, np.zeros((slices, 2)), np.zeros((slices, 2)), (), spec)
