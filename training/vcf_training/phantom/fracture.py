# SPDX-License-Identifier: Apache-2.0
"""Compression fractures: Genant's grades and shapes, and the loss of height they stand for."""

from collections.abc import Mapping
from dataclasses import dataclass

from numpy.random import Generator

from vcf_training.phantom.anatomy import GRADED
from vcf_training.phantom.ranges import Ranges

SHAPES = ("wedge", "biconcave", "crush")
"""Loss of the anterior, the middle or the whole height (Genant et al., J Bone Miner Res 1993;8:1137)."""
GENANT_BANDS = {1: (0.20, 0.25), 2: (0.25, 0.40), 3: (0.40, 0.62)}
"""Share of height lost at each grade; the last upper end is the phantom's, not Genant's."""


def genant_grade(loss: float) -> int:
    """Grade 0–3 of the largest share of height lost, of anterior, middle and posterior."""
    return sum(loss >= low for low, _ in GENANT_BANDS.values())


@dataclass(frozen=True)
class Fracture:
    """One fractured vertebra. ``loss`` is the largest share of height lost at the three landmarks."""

    shape: str
    loss: float
    upper_share: float = 0.8
    power: float = 1.0
    sclerosis_hu: float = 60.0
    bulge_mm: float = 1.0
    angulation: float = 0.5

    def __post_init__(self) -> None:
        if self.shape not in SHAPES:
            raise ValueError(f"fracture shape {self.shape!r} is unknown, shapes are {', '.join(SHAPES)}")
        if not 0.2 <= self.loss <= 0.7:
            raise ValueError(f"fracture loss is {self.loss}, accepted are shares of height from 0.2 to 0.7")

    @property
    def grade(self) -> int:
        return genant_grade(self.loss)


def sample_fracture(rng: Generator, ranges: Ranges, grade: int, shape: str | None = None) -> Fracture:
    """Draw a fracture of a grade; the loss keeps 0.005 away from the band's ends."""
    if grade not in GENANT_BANDS:
        raise ValueError(f"grade is {grade}, accepted are 1, 2 and 3")
    low, high = GENANT_BANDS[grade]
    drawn = rng.choice(SHAPES, p=(0.55, 0.25, 0.20))
    shape = shape or str(drawn)
    biconcave = shape == "biconcave"
    return Fracture(
        shape=shape,
        loss=float(rng.uniform(low + 0.005, high - 0.005)),
        upper_share=float(rng.uniform(0.35, 0.65)) if biconcave else float(rng.uniform(*ranges.upper_share)),
        power=float(rng.uniform(*ranges.wedge_power)),
        sclerosis_hu=float(rng.uniform(*ranges.fracture_sclerosis_hu)),
        bulge_mm=0.0 if biconcave else float(rng.uniform(*ranges.bulge_mm)),
        angulation=float(rng.uniform(*ranges.angulation)),
    )


def parse_fractures(text: str) -> dict[str, tuple[int, str | None]]:
    """Read ``L1=2:wedge,T8=1`` as level → (grade, shape or None for any).

    Raises
    ------
    ValueError
        If a level, grade or shape is none of those known.
    """
    wanted: dict[str, tuple[int, str | None]] = {}
    for part in filter(None, text.replace(" ", "").split(",")):
        level, _, rest = part.partition("=")
        grade, _, shape = rest.partition(":")
        if grade not in {"1", "2", "3"}:
            raise ValueError(f"fracture {part!r}: grade is {grade!r}, write LEVEL=GRADE[:SHAPE] with grade 1, 2 or 3")
        wanted[level.upper()] = (int(grade), shape.lower() or None)
    check_fractures(wanted)
    return wanted


def check_fractures(wanted: Mapping[str, tuple[int, str | None]]) -> None:
    """Raise ``ValueError`` for a level that carries no grade, or a grade or shape that does not exist."""
    for level, (grade, shape) in wanted.items():
        if level not in GRADED:
            raise ValueError(f"fracture level {level!r} is unknown, accepted are {GRADED[0]}–{GRADED[-1]}")
        if grade not in GENANT_BANDS:
            raise ValueError(f"fracture of {level}: grade is {grade}, accepted are 1, 2 and 3")
        if shape is not None and shape not in SHAPES:
            raise ValueError(f"fracture of {level}: shape is {shape!r}, accepted are {', '.join(SHAPES)}")
