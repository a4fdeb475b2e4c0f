# SPDX-License-Identifier: Apache-2.0
"""Patients in three parts, 80 % to train on, 10 % to tune on, 10 % to test on (paper §3.1), checked for leaks.

A patient's part follows from the hash of the patient's key and the seed, among the patients with the same outcome. A
saved split keeps every patient where it was; patients that came later are added to it. The file holds hashes only.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from vcf_contract.errors import StudyRefused
from vcf_training.data.annotated import AnnotatedStudy, DataCode, DataError, content_digest, hashed

Part = Literal["train", "tune", "test"]
PARTS: tuple[Part, ...] = ("train", "tune", "test")
TUNE_SHARE = TEST_SHARE = 0.1
Report = Callable[[DataError], None]
_FEWEST_TO_DIVIDE = 3
"""Patients with the same outcome of which one goes to each part."""


@dataclass(frozen=True)
class Split:
    """Tell which part each patient belongs to.

    patients
        Part by hashed patient key.
    content
        Digest of the voxels by hashed study key; empty where it was refused by the reader.
    """

    seed: int
    patients: Mapping[str, Part]
    content: Mapping[str, str] = field(default_factory=dict)

    def part(self, study: AnnotatedStudy) -> Part:
        """The part of a study.

        Raises
        ------
        DataError
            ``SPLIT_MISMATCH`` if its patient is in none.
        """
        if study.patient not in self.patients:
            raise DataError(
                DataCode.SPLIT_MISMATCH, "a study's patient is in no part: draw the split anew or extend it"
            )
        return self.patients[study.patient]

    def chosen(self, studies: Iterable[AnnotatedStudy], part: Part) -> list[AnnotatedStudy]:
        """The studies of one part, in their order."""
        return [s for s in studies if self.part(s) == part]

    def save(self, path: Path) -> None:
        """Write as JSON; ``key_check`` tells whether another ``VCF_HASH_KEY`` made the hashes."""
        parts = {p: sorted(k for k, of in self.patients.items() if of == p) for p in PARTS}
        held = {"seed": self.seed, "key_check": hashed(""), "patients": parts, "content": dict(self.content)}
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(json.dumps(held, indent=1, sort_keys=True) + "\n")
        part.replace(path)

    @classmethod
    def load(cls, path: Path) -> "Split":
        """Read what ``save`` wrote.

        Raises
        ------
        DataError
            ``PATIENT_IN_TWO_PARTS``, or ``SPLIT_MISMATCH`` where the file is no split or of another secret.
        """
        try:
            held = json.loads(path.read_text())
            parts: dict[Part, list[str]] = {p: list(held["patients"][p]) for p in PARTS}
            seed, content, check = int(held["seed"]), dict(held["content"]), held["key_check"]
        except (OSError, ValueError, KeyError, TypeError):
            raise DataError(DataCode.SPLIT_MISMATCH, "the file is no split of patients") from None
        if check != hashed(""):
            raise DataError(
                DataCode.SPLIT_MISMATCH,
                "the split was made under another VCF_HASH_KEY: set the same one, or every patient would look new",
            )
        patients: dict[str, Part] = {}
        for part, keys in parts.items():
            for key in keys:
                if patients.setdefault(key, part) != part:
                    raise DataError(
                        DataCode.PATIENT_IN_TWO_PARTS,
                        f"a patient is in the parts {patients[key]} and {part} of the split",
                    )
        return cls(seed, patients, content)

    def counts(self, studies: Sequence[AnnotatedStudy]) -> dict[str, dict[str, int]]:
        """Patients, studies, and studies with a fracture, without one and of unknown outcome, in each part."""
        rows: dict[str, dict[str, int]] = {}
        for part in PARTS:
            own = self.chosen(studies, part)
            outcomes = [s.fractured for s in own]
            rows[part] = {
                "patients": len({s.patient for s in own}),
                "studies": len(own),
                "fractured": outcomes.count(True),
                "sound": outcomes.count(False),
                "unknown": outcomes.count(None),
            }
        return rows


def draw(studies: Sequence[AnnotatedStudy], seed: int = 0, known: Split | None = None) -> Split:
    """Divide the patients; those of ``known`` stay where they are.

    Within each outcome (fractured in any study, sound in all, unknown) the patients are ordered by the hash of seed and
    key; each part takes its share, and at least one where there are three.
    """
    patients: dict[str, Part] = dict(known.patients) if known else {}
    outcome: dict[str, set[bool | None]] = defaultdict(set)
    for study in studies:
        outcome[study.patient].add(study.fractured)
    strata: dict[bool | None, list[str]] = defaultdict(list)
    for patient, seen in outcome.items():
        strata[True if True in seen else None if None in seen else False].append(patient)
    for members in strata.values():
        wanted = _quotas(len(members))
        for part in PARTS:
            wanted[part] -= sum(patients.get(m) == part for m in members)
        new = sorted((m for m in members if m not in patients), key=lambda m: _order(seed, m))
        for part in ("test", "tune"):
            for patient in new[: max(0, wanted[part])]:
                patients[patient] = part
            new = new[max(0, wanted[part]) :]
        patients |= dict.fromkeys(new, "train")
    return Split(known.seed if known else seed, patients, known.content if known else {})


def _quotas(count: int) -> dict[Part, int]:
    few = 1 if count >= _FEWEST_TO_DIVIDE else 0
    tune, test = max(few, round(TUNE_SHARE * count)), max(few, round(TEST_SHARE * count))
    return {"train": count - tune - test, "tune": tune, "test": test}


def _order(seed: int, patient: str) -> bytes:
    return hashlib.sha256(f"{seed}:{patient}".encode()).digest()


def _stop(error: DataError) -> None:
    raise error


def checked(
    split: Split,
    studies: Sequence[AnnotatedStudy],
    done: Callable[[int, int], None] = lambda *_: None,
    report: Report = _stop,
) -> tuple[Split, list[AnnotatedStudy]]:
    """The split with the content of all studies in it, after a look for leaks, and the studies that nothing is wrong
    with. Reads every volume not yet known, with its annotation.

    Parameters
    ----------
    report
        Gets what is wrong with a study, which is then left out; by default the first error is raised.

    Raises
    ------
    DataError
        ``SPLIT_MISMATCH``: a patient is in no part. To ``report``: ``DUPLICATE_STUDY``: two studies have one id;
        ``DUPLICATE_IMAGE``: the same voxels come under two ids, whether of one patient or of two; and what reading a
        study raises.
    """
    content = dict(split.content)
    seen: dict[str, int] = {}
    ids: dict[str, int] = {}
    kept: list[AnnotatedStudy] = []
    for number, study in enumerate(studies, start=1):
        part = split.part(study)
        try:
            if study.key in ids:
                raise DataError(
                    DataCode.DUPLICATE_STUDY,
                    f"studies {ids[study.key]} and {number} have the same id; ids must be unique",
                )
            ids[study.key] = number
            digest = content[study.key] if study.key in content else _digest(study)
            if digest and digest in seen:
                other = studies[seen[digest] - 1]
                whose = "one patient" if other.patient == study.patient else "two patients"
                raise DataError(
                    DataCode.DUPLICATE_IMAGE,
                    f"studies {seen[digest]} ({split.part(other)}) and {number} ({part}) of {whose} are the same image "
                    "under two ids: remove one of them",
                )
        except DataError as error:
            report(error)
        else:
            content[study.key] = digest
            seen[digest] = number
            kept.append(study)
        done(number, len(studies))
    return Split(split.seed, split.patients, content), kept


def _digest(study: AnnotatedStudy) -> str:
    if study.synthetic:
        return study.key  # a phantom is its seed
    try:
        return content_digest(study.load().volume.hu)
    except StudyRefused:
        return ""


def describe(split: Split, studies: Sequence[AnnotatedStudy]) -> dict[str, Any]:
    """Tell what a manifest keeps of a split: shares, counts and a digest, no keys."""
    parts = json.dumps(sorted(split.patients.items()))
    return {
        "seed": split.seed,
        "by": "patient",
        "parts": split.counts(studies),
        "sha256": hashlib.sha256(parts.encode()).hexdigest(),
    }
