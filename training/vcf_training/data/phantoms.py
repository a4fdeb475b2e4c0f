# SPDX-License-Identifier: Apache-2.0
"""Phantoms as annotated studies: sets that are a recipe and no files, and folders that ``vcf phantom`` wrote.

Everything is known about a phantom, the canal and every height included. All figures from one are synthetic.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from vcf_client.reader import read_study
from vcf_preprocess.geometry import Volume
from vcf_training.data.annotated import AnnotatedStudy, AnnotatedVertebra, DataCode, DataError, Grade, Scan, hashed
from vcf_training.dataset import TEST_SEEDS, TUNING_SEEDS
from vcf_training.phantom import HELD_OUT_RANGES, TRAINING_RANGES, PhantomSpec, Ranges, render, sample
from vcf_training.phantom.anatomy import GRADED
from vcf_training.phantom.dicom import TRUTH_FILE

PIXEL_MM = 1.0
"""The pixel size in-plane: the scan's own 512 × 512 pixels take three times as long to render and change no patch
visibly."""
SAME_PLACE_MM = 0.6


@dataclass(frozen=True)
class Recipe:
    """A set of phantoms: seeds from ``first_seed`` on."""

    first_seed: int
    ranges: Ranges
    count: int


RECIPES = {
    "phantom-train": Recipe(0, TRAINING_RANGES, 280),
    "phantom-tune": Recipe(TUNING_SEEDS, TRAINING_RANGES, 120),
    "phantom-unseen": Recipe(700_000, TRAINING_RANGES, 200),
    "phantom-test": Recipe(TEST_SEEDS, HELD_OUT_RANGES, 200),
}
"""``phantom-test`` are patients of another kind than those of training, ``phantom-unseen`` other patients of the same
kind. ``NAME:COUNT`` asks for another number of them."""


def recipe_studies(name: str) -> list[AnnotatedStudy]:
    """The studies of a recipe, ``NAME`` or ``NAME:COUNT``; rendered when they are loaded.

    Raises
    ------
    DataError
        ``NO_STUDIES`` for another name or count.
    """
    base, _, count = name.partition(":")
    if base not in RECIPES or (count and not (count.isdecimal() and int(count) > 0)):
        raise DataError(
            DataCode.NO_STUDIES,
            f"there are no phantoms {name!r}; accepted are {', '.join(RECIPES)}, also as NAME:COUNT",
        )
    recipe = RECIPES[base]
    seeds = range(recipe.first_seed, recipe.first_seed + (int(count) if count else recipe.count))
    return [_recipe_study(sample(seed, ranges=recipe.ranges)) for seed in seeds]


def is_phantom_folder(root: Path) -> bool:
    """Tell whether a folder, or one directly in it, was written by ``vcf phantom``."""
    return root.is_dir() and bool(_truth_files(root))


def folder_studies(root: Path) -> list[AnnotatedStudy]:
    """The phantoms that ``vcf phantom`` wrote to this folder or to folders directly in it.

    Raises
    ------
    DataError
        ``NO_STUDIES``, or ``BAD_VALUE`` where a truth cannot be read.
    """
    files = _truth_files(root)
    if not files:
        raise DataError(DataCode.NO_STUDIES, f"no {TRUTH_FILE} of `vcf phantom` lies in the folder")
    return [_folder_study(path, f"study {i} of {len(files)}") for i, path in enumerate(files, start=1)]


def _truth_files(root: Path) -> list[Path]:
    return sorted([*root.glob(TRUTH_FILE), *root.glob(f"*/{TRUTH_FILE}")])


def _recipe_study(spec: PhantomSpec) -> AnnotatedStudy:
    first, last = (GRADED.index(level) if level in GRADED else None for level in spec.levels)
    shown = GRADED[0 if first is None else first : len(GRADED) if last is None else last + 1]
    grades = {
        level: Grade(fracture.grade, fracture.shape) if (fracture := spec.vertebra(level).fracture) else Grade(0)
        for level in shown
    }
    name = f"phantom-{spec.seed}"
    return AnnotatedStudy(hashed(name), hashed(name), "phantom", grades, partial(_rendered, spec), synthetic=True)


def _rendered(spec: PhantomSpec) -> Scan:
    phantom = render(spec, spacing_mm=(spec.acquisition.spacing_mm[0], PIXEL_MM, PIXEL_MM))
    vertebrae = tuple(
        AnnotatedVertebra(v.level, Grade(v.grade, v.shape), v.centre_mm, (v.z0_mm, v.z1_mm), v.heights_mm)
        for v in phantom.vertebrae
    )
    return Scan(phantom.volume, vertebrae, phantom.centre_line_mm, phantom.canal_boxes_mm)


def _folder_study(path: Path, where: str) -> AnnotatedStudy:
    try:
        truth = json.loads(path.read_text())
        vertebrae = tuple(
            AnnotatedVertebra(
                v["level"],
                Grade(v["grade"], v["shape"]),
                (v["centre_mm"][0], v["centre_mm"][1], v["centre_mm"][2]),
                (v["z0_mm"], v["z1_mm"]),
                (v["heights_mm"][0], v["heights_mm"][1], v["heights_mm"][2]),
            )
            for v in truth["vertebrae"]
        )
        identity = f"phantom-{truth['seed']}"
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        raise DataError(DataCode.BAD_VALUE, f"{where}: {TRUTH_FILE} is none that `vcf phantom` wrote") from None
    grades = {v.level: v.verdict for v in vertebrae}
    scan = f"{identity}-{truth['origin_lps_mm']}-{truth['spacing_mm']}"
    read = partial(_read_folder, path.parent, truth, vertebrae, where)
    return AnnotatedStudy(hashed(scan), hashed(identity), "phantom", grades, read, synthetic=True)


def _read_folder(folder: Path, truth: Mapping[str, Any], vertebrae: tuple[AnnotatedVertebra, ...], where: str) -> Scan:
    volume: Volume = read_study(folder).volume
    centres, sizes = (np.array(truth["canal"][name], float) for name in ("centre_mm", "box_mm"))
    apart = float(np.abs(volume.affine[:3, 3] - truth["origin_lps_mm"]).max())
    if len(centres) != len(volume.hu) or apart > SAME_PLACE_MM:
        raise DataError(
            DataCode.GRID_MISMATCH, f"{where}: {TRUTH_FILE} belongs to another series than the one beside it"
        )
    return Scan(volume, vertebrae, centres, sizes)
