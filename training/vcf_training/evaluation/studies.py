# SPDX-License-Identifier: Apache-2.0
"""The data sets: held-out phantoms, deformed CTs and rendered masks, the public CTs (`real`), a user's own.

A set is a list of tasks that make one study each when called. Tasks can be pickled, so worker processes make the
studies themselves. Phantoms and deformed copies ship as recipes, not as files: a first seed and ranges give the same
studies everywhere.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from vcf_contract.errors import StudyRefused
from vcf_training.code_digest import code_digest
from vcf_training.data.annotated import AnnotatedStudy
from vcf_training.data.datasets import DEFAULT, Options
from vcf_training.data.phantoms import PIXEL_MM, RECIPES
from vcf_training.evaluation import deformed, real
from vcf_training.evaluation.baseline import EXACT, LABELS, exact_heights, measured_heights
from vcf_training.evaluation.cases import Study
from vcf_training.own_data import held_out
from vcf_training.phantom import HELD_OUT_RANGES, Phantom, Vertebra, render, sample
from vcf_training.real_studies import EVALUATION_SEED

Task = Callable[[], Study | None]
"""Makes a study; None where it cannot be had."""

PHANTOMS = ("phantom-test", "phantom-unseen")
"""Those of ``vcf_training.data.phantoms.RECIPES`` that nothing was trained or tuned on."""
WARPED, RENDERED, REAL = "warped", "rendered", "real"
NAMES = (*PHANTOMS, WARPED, RENDERED, REAL)
MEANING = {
    "phantom-test": "phantoms from seeds and parameter ranges that training never saw",
    "phantom-unseen": "phantoms of other seeds from the ranges that training saw",
    WARPED: "deformed copies of real CTs of patients who are in no training, healthy and fractured by turns; each "
    "is a box about the spine with air around it",
    RENDERED: f"masks of spines with real fractures that nothing learnt from, rendered in {deformed.LOOKS} ways each, "
    "as they are and with the fractures stretched back; grades are radiologists', pictures are made",
    REAL: "every public CT at hand: graded by radiologists, or read by eye on the mid-sagittal view, or by nobody",
}


def tasks(data: str, count: int, weights: Path, options: Options = DEFAULT) -> list[Task]:
    """Those of a named set, or those at a path that the weights may be tested on; these, ``rendered``
    and ``real`` have numbers of their own.

    Raises
    ------
    SetupError
        If nothing of the set is at hand.
    DataError
        If the data at the path cannot be read, or its annotation does not fit together.
    """
    if data in PHANTOMS:
        first = RECIPES[data].first_seed
        return [partial(phantom_study, data, seed) for seed in range(first, first + count)]
    if data == WARPED:
        deformed.test_patients()
        return [partial(deformed.warped_study, number) for number in range(count)]
    if data == RENDERED:
        return [partial(deformed.rendered_study, number) for number in range(deformed.rendered_count())]
    if data == REAL:
        used = real.Used.by(weights)
        return [partial(real.real_study, name, used) for name in real.names()]
    return [partial(own_study, annotated) for annotated in held_out(data, weights, options)]


def recipe(data: str) -> dict[str, Any]:
    """Tell what the studies of a set are made from, and a hash of the code that makes them: the set itself, in
    short."""
    root = Path(__file__).parents[1]
    if data in PHANTOMS:
        made = RECIPES[data]
        named = {"first_seed": made.first_seed, "ranges": "held out" if made.ranges is HELD_OUT_RANGES else "training"}
        return named | {"pixel_mm": PIXEL_MM, "generator": code_digest((root / "phantom").glob("*.py"))}
    if data in (WARPED, RENDERED):
        code = [*(root / "warp").glob("*.py"), *((root / "masks").glob("*.py") if data == RENDERED else ())]
        return {"first_seed": EVALUATION_SEED, "generator": code_digest(code)}
    return {}


def phantom_study(data: str, seed: int) -> Study:
    """A whole body of one of `PHANTOMS`."""
    spec = sample(seed, ranges=RECIPES[data].ranges)
    return of_phantom(render(spec, spacing_mm=(spec.acquisition.spacing_mm[0], PIXEL_MM, PIXEL_MM)))


def of_phantom(phantom: Phantom) -> Study:
    """A rendered phantom as a study."""
    grade = max((v.grade for v in phantom.vertebrae), default=0)
    return Study(
        f"phantom-{phantom.spec.seed}",
        phantom.volume,
        grade > 0,
        grade,
        phantom.vertebrae,
        centre_line_mm=phantom.centre_line_mm,
        heights={EXACT: exact_heights(phantom.vertebrae)} | measured_heights(phantom),
        traits={
            "field of view": phantom.spec.kind,
            "contrast": "yes" if phantom.spec.body.blood_hu > 100 else "no",
        },
        synthetic=True,
    )


def own_study(annotated: AnnotatedStudy) -> Study:
    """A study of a user's own data; a CT that the reader refuses is a study too, one that could not be processed."""
    known = Study(
        annotated.key,
        None,
        annotated.fractured,
        annotated.grade,
        group=annotated.patient,
        synthetic=annotated.synthetic,
    )
    try:
        scan = annotated.load()
    except StudyRefused as refusal:
        return replace(known, refusal=refusal)
    heights = {v.level: v.heights_mm for v in scan.vertebrae if v.heights_mm is not None}
    unknown = (float("nan"),) * 3
    return replace(
        known,
        volume=scan.volume,
        vertebrae=tuple(
            Vertebra(v.level, v.centre_mm, v.heights_mm or unknown, *v.z_mm, v.verdict.grade or 0, v.verdict.shape)
            for v in scan.vertebrae
        ),
        centre_line_mm=scan.canal_mm,
        heights={LABELS: heights} if heights else {},
    )
