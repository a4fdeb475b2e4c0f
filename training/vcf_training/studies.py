# SPDX-License-Identifier: Apache-2.0
"""Patches of many studies in memory and on disk, and batches drawn from them."""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from vcf_contract.spec import PATCH
from vcf_training.augment import augment, relocated
from vcf_training.presets import MemberPreset

HEIGHT_UNIT_MM = 10.0


@dataclass(frozen=True)
class Studies:
    """n patches of m studies, head to feet within a study.

    patches
        (n, H, W, Z) uint8, 255 is the window's upper end: a step of 3.3 HU, far below the noise of any CT.
    location
        (n,) as in the contract.
    label
        (n,) 1 where the patch shows a fracture.
    weight
        (n,) 0 where that is undecided: a part of a fractured vertebra, but not its centre nor half its height.
    grade
        (n,) highest Genant grade in the patch, 0 without a fracture.
    anatomy
        (n, H, 5) float16: for each row of a patch, whether the median plane meets a vertebral body there, that body's
        anterior, middle and posterior height in units of ``HEIGHT_UNIT_MM``, and whether it is fractured; NaN where
        that is not known. Teaches F_rep what a vertebra is; nothing of it is served.
    starts
        (m + 1,) study i has the patches starts[i] to starts[i + 1].
    name
        (m,) of the study.
    """

    patches: NDArray[np.uint8]
    location: NDArray[np.float32]
    label: NDArray[np.uint8]
    weight: NDArray[np.uint8]
    grade: NDArray[np.uint8]
    anatomy: NDArray[np.float16]
    starts: NDArray[np.int64]
    name: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.name)

    def rows(self, study: int) -> slice:
        """Tell where a study's patches lie."""
        return slice(int(self.starts[study]), int(self.starts[study + 1]))

    @property
    def study_label(self) -> NDArray[np.uint8]:
        """(m,) 1 where any patch shows a fracture."""
        return np.maximum.reduceat(self.label, self.starts[:-1])

    @property
    def study_grade(self) -> NDArray[np.uint8]:
        """(m,) highest grade in each study."""
        return np.maximum.reduceat(self.grade, self.starts[:-1])

    @classmethod
    def joined(cls, parts: "list[Studies]") -> "Studies":
        """All studies of several sets."""
        starts, total = [np.zeros(1, np.int64)], 0
        for part in parts:
            starts.append(part.starts[1:] + total)
            total += len(part.patches)
        rest = {f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls) if f.name != "starts"}
        return cls(**rest, starts=np.concatenate(starts))

    @classmethod
    def none(cls) -> "Studies":
        """No study at all: what a drawing keeps that came to nothing."""
        flags = np.zeros(0, np.uint8)
        return cls(
            np.zeros((0, *PATCH.grid), np.uint8),
            np.zeros(0, np.float32),
            flags,
            flags,
            flags,
            np.zeros((0, PATCH.grid[0], 5), np.float16),
            np.zeros(1, np.int64),
            np.zeros(0, str),
        )

    def save(self, path: Path) -> None:
        """Write to a file in one step; not compressed, which takes a core a minute to win a third."""
        part = path.with_suffix(".part.npz")
        np.savez(part, **{f.name: getattr(self, f.name) for f in fields(self)})
        part.replace(path)

    @classmethod
    def load(cls, path: Path) -> "Studies":
        """Read what ``save`` wrote."""
        with np.load(path) as stored:
            return cls(**{f.name: stored[f.name] for f in fields(cls)})


@dataclass(frozen=True)
class Batch:
    """b studies padded at the feet to k patches; arrays (b, k, …) float32."""

    patches: NDArray[np.float32]
    location: NDArray[np.float32]
    label: NDArray[np.float32]
    weight: NDArray[np.float32]
    valid: NDArray[np.float32]
    anatomy: NDArray[np.float32]


class Sampler:
    """Endless batches with equally many positive and negative studies (paper §3.2)."""

    def __init__(self, studies: Studies, preset: MemberPreset, rng: Generator) -> None:
        self.studies, self.preset, self.rng = studies, preset, rng
        labels, grades = studies.study_label, studies.study_grade
        self.classes = [np.flatnonzero(labels == 0), np.flatnonzero(labels == 1)]
        self._severe = np.flatnonzero(grades >= 2)
        self._placed = np.maximum.reduceat(studies.weight, studies.starts[:-1]) > 0
        self._sound = {name: study for study, name in enumerate(studies.name) if labels[study] == 0}
        if not all(map(len, self.classes)):
            found = [len(c) for c in self.classes]
            raise ValueError(f"{found[1]} positive and {found[0]} negative studies: at least one of each is needed")

    def draw(self, *, severe_only: bool = False, short: bool = False) -> Batch:
        """The next batch.

        ``severe_only`` leaves out positive studies without a fracture of grade 2 or 3; ``short`` draws runs of the
        preset's ``short_lengths``, of studies whose fractures have places: the others are never cut.
        """
        positives = self._severe if severe_only and len(self._severe) else self.classes[1]
        if short:
            placed = positives[self._placed[positives]]
            short = len(placed) > 0
            positives = placed if short else self.classes[1]
        if self.preset.studies_per_step is not None:
            pairs, length = self.preset.studies_per_step // 2, None
        else:
            length = int(self.rng.choice(self.preset.short_lengths if short else self.preset.lengths))
            pairs = max(1, self.preset.patches_per_step // length // 2)
        runs = []
        for _ in range(pairs):
            positive = self._run(int(self.rng.choice(positives)), length)
            runs += [self._twin_run(positive, length), positive]
        return self._collate([rows for _, rows in runs])

    def _twin_run(self, positive: tuple[int, slice], length: int | None) -> tuple[int, slice]:
        """The same patches of the same patient without the fracture, half of the time; else any negative run.

        Beside its twin, nothing but the fracture tells a positive run from a negative one.
        """
        study, rows = positive
        twin = self._sound.get(self.studies.name[study])
        if twin is None or self.rng.random() < 0.5:
            return self._run(int(self.rng.choice(self.classes[0])), length)
        own, other = self.studies.rows(study), self.studies.rows(twin)
        count = min(rows.stop - rows.start, other.stop - other.start)
        start = min(other.start + rows.start - own.start, other.stop - count)
        return twin, slice(start, start + count)

    def _run(self, study: int, length: int | None) -> tuple[int, slice]:
        """A run of ``length`` patches of the study; of a positive one, a run with a fracture in it.

        A study of which no patch's label is known is taken whole: its label is the study's, and of no part of it.
        """
        rows = self.studies.rows(study)
        if length is None or rows.stop - rows.start <= length or not self.studies.weight[rows].any():
            return study, rows
        first, last = rows.start, rows.stop - length
        fractured = np.flatnonzero(self.studies.label[rows]) + rows.start
        if len(fractured):
            at = int(self.rng.choice(fractured))
            first, last = max(first, at - length + 1), min(last, at)
        start = int(self.rng.integers(first, last + 1))
        return study, slice(start, start + length)

    def _collate(self, runs: list[slice]) -> Batch:
        s = self.studies
        b, k = len(runs), max(r.stop - r.start for r in runs)
        patches = np.zeros((b, k, *s.patches.shape[1:]), np.float32)
        flat = {name: np.zeros((b, k), np.float32) for name in ("location", "label", "weight", "valid")}
        anatomy = np.full((b, k, *s.anatomy.shape[1:]), np.nan, np.float32)
        for i, run in enumerate(runs):
            n = run.stop - run.start
            scaled = s.patches[run].astype(np.float32) / 255
            changed = augment(scaled, self.rng, self.preset.augmentation, self.preset.patch)
            order = slice(None, None, -1 if changed.upside_down else 1)
            patches[i, :n] = changed.patches
            flat["valid"][i, :n] = 1
            anatomy[i, :n] = s.anatomy[run][order, order]
            for name in ("location", "label", "weight"):
                flat[name][i, :n] = getattr(s, name)[run][order]
            if changed.upside_down:
                flat["location"][i, :n] = 1 - flat["location"][i, :n]
            flat["location"][i, :n] = relocated(flat["location"][i, :n], self.rng, self.preset.augmentation)
        return Batch(patches, **flat, anatomy=anatomy)
