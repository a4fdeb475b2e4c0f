# SPDX-License-Identifier: Apache-2.0
"""A training's own annotated data: opened, split by patient, turned into what the trainings take, kept in the cache."""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vcf_contract.errors import StudyRefused
from vcf_training import models, store
from vcf_training.code_digest import code_digest
from vcf_training.data.annotated import AnnotatedStudy, DataCode, DataError, Scan
from vcf_training.data.datasets import DEFAULT, Done, Options, split_of, studies
from vcf_training.data.examples import CanalFinder, detector_images, member_studies
from vcf_training.data.splits import PARTS, Part, Split, describe
from vcf_training.detector import CanalImages
from vcf_training.studies import Studies
from vcf_training.views import Crop, preparation_code

log = logging.getLogger(__name__)

SPLIT_FILE = "split.json"
"""The split's file beside the weights: an evaluation of them keeps to it."""
NO_CANAL, UNKNOWN = "no annotated canal", "outcome not known"


@dataclass(frozen=True)
class OwnData:
    """Annotated studies and the part that each patient belongs to."""

    studies: tuple[AnnotatedStudy, ...]
    split: Split

    @classmethod
    def open(
        cls, paths: Sequence[str | Path], options: Options = DEFAULT, *, done: Done = lambda *_: None
    ) -> "OwnData":
        """The studies at all paths under one split, checked for leaks within and between them.

        Raises
        ------
        DataError
            Data that does not fit together, a leak, or a split of other data.
        """
        found = [study for path in paths for study in studies(path, options)]
        if not found:
            raise DataError(DataCode.NO_STUDIES, "the data holds no study that can be used")
        split, found = split_of(found, options, done=done)
        return cls(tuple(found), split)

    @property
    def synthetic(self) -> bool:
        """Tell whether all of it is phantoms."""
        return all(study.synthetic for study in self.studies)

    def part(self, part: Part) -> list[AnnotatedStudy]:
        """The studies of one part."""
        return self.split.chosen(self.studies, part)

    def describe(self) -> dict[str, Any]:
        """Describe the data for the manifest: formats, the split's counts and digest; no key of a patient."""
        formats = Counter(study.source for study in self.studies)
        return {"formats": dict(sorted(formats.items())), "split": describe(self.split, self.studies)}

    def members_learn(
        self,
        part: Part,
        views: int,
        cache: Path,
        *,
        crop: Crop = Crop(),  # noqa: B008 (immutable)
        weights: Path | None = None,
        done: Done = lambda *_: None,
    ) -> Studies:
        """The studies of a part as patches. Training parts are seen in random fields of view, others whole.

        Parameters
        ----------
        crop
            How these fields of view are drawn, and how far their patches overlap.
        cache
            Folder in which the patches are kept. They are voxels of patients, without a name.
        weights
            Folder with the detector that finds the canal where it is not annotated; None for the shipped one.

        Raises
        ------
        DataError
            ``NO_GRADES`` if the part has not both outcomes: nothing could be learnt or measured.
        """
        own = self.part(part)
        folder = weights if weights and store.weights_path(weights, store.DETECTOR_NAME).is_file() else store.SHIPPED
        path = cache / f"own-{self._digest(own, part, views, crop, folder)}.npz"
        drawn = Studies.load(path) if path.is_file() else None
        if drawn is None:
            drawn = _draw(own, views if part == "train" else 1, crop, part, folder, done)
            if drawn is not None:
                cache.mkdir(parents=True, exist_ok=True)
                drawn.save(path)
        outcomes = set(drawn.study_label.tolist()) if drawn is not None else set()
        if drawn is None or outcomes != {0, 1}:
            raise DataError(
                DataCode.NO_GRADES,
                f"the part {part!r} has {len(own)} studies and needs graded fractures and studies known"
                f" to be sound, found {'both' if len(outcomes) == 2 else 'only one kind' if outcomes else 'neither'}",
            )
        return drawn

    def detector_learns(self, part: Part, *, done: Done = lambda *_: None) -> list[CanalImages]:
        """Slices with the canal's box of each study of a part that has one."""
        found: list[CanalImages] = []
        own = self.part(part)

        def take(study: AnnotatedStudy, scan: Scan) -> bool:
            images = detector_images(study, scan)
            if images is not None:
                found.append(images)
            return images is not None

        _each(own, take, NO_CANAL, done)
        return found

    def _digest(self, own: Sequence[AnnotatedStudy], part: Part, views: int, crop: Crop, folder: Path) -> str:
        root = Path(__file__).parent
        code = [root / "views.py", Path(__file__), *root.glob("data/*.py"), *preparation_code()]
        what = [
            (s.key, sorted(s.grades.items()), s.complete, s.study_grade, self.split.content.get(s.key)) for s in own
        ]
        detector = store.sha256(store.weights_path(folder, store.DETECTOR_NAME).read_bytes())
        return code_digest(code, (what, part, views, crop, detector))


def _draw(
    own: Sequence[AnnotatedStudy], views: int, crop: Crop, part: Part, folder: Path, done: Done
) -> Studies | None:
    drawn: list[Studies] = []
    finder = _Finder(folder)
    crop = crop if part == "train" else replace(crop, whole_share=1.0)

    def take(study: AnnotatedStudy, scan: Scan) -> bool:
        rng = np.random.default_rng([int(study.key, 16), PARTS.index(part), 77])
        found = member_studies(study, scan, rng, views=views, crop=crop, finder=finder)
        drawn.extend(found)
        return bool(found)

    _each([s for s in own if s.fractured is not None], take, UNKNOWN, done)
    return Studies.joined(drawn) if drawn else None


def _each(
    own: Sequence[AnnotatedStudy], take: Callable[[AnnotatedStudy, Scan], bool], otherwise: str, done: Done
) -> None:
    """Load one study after the other; what the product would refuse is left out and counted."""
    left_out: Counter[str] = Counter()
    for number, study in enumerate(own, start=1):
        try:
            if not take(study, study.load()):
                left_out[otherwise] += 1
        except StudyRefused as refusal:
            left_out[str(refusal.code)] += 1
        done(number, len(own))
    if left_out:
        counts = ", ".join(f"{count} {reason}" for reason, count in sorted(left_out.items()))
        log.warning("%d of %d studies left out: %s", sum(left_out.values()), len(own), counts)


class _Finder:
    """The trained detector in its served form, loaded when the first study needs it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.detector: CanalFinder | None = None

    def __call__(self, images: np.ndarray[Any, np.dtype[np.float32]]) -> np.ndarray[Any, np.dtype[np.float32]]:
        if self.detector is None:
            served = models.fold_batch_norm(store.load_detector(self.folder))
            self.detector = lambda batch: np.asarray(served(batch))
        return self.detector(images)


def held_out(path: str | Path, weights: Path, options: Options = DEFAULT) -> list[AnnotatedStudy]:
    """The studies at a path that these weights may be tested on.

    Weights that learnt from own data keep its split beside them: of the patients in it those of the test part, and all
    patients that are not in it. Weights without one have seen none of the data.

    Raises
    ------
    DataError
        As ``studies`` does, or where the split cannot be read.
    """
    found = studies(path, options)
    file = weights / SPLIT_FILE
    if not file.is_file():
        return found
    known = Split.load(file)
    return [s for s in found if known.patients.get(s.patient, "test") == "test"]


def with_split(options: Options, weights: Path) -> Options:
    """The options with the split kept beside the weights."""
    return replace(options, split=weights / SPLIT_FILE)
