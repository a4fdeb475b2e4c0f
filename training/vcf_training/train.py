# SPDX-License-Identifier: Apache-2.0
"""The trainings behind ``vcf train``: data, networks, weights and a manifest that says how they came to be."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vcf_training import canal_images, dataset, detector, store
from vcf_training.architecture import MEMBERS
from vcf_training.checkpoint import Checkpoint, as_json, differences, digest, settings_of
from vcf_training.data.canal import load_canal_slices
from vcf_training.data.fetch import cache_folder
from vcf_training.data.sources import Use
from vcf_training.data.splits import Part
from vcf_training.metrics import operating_point, rates, roc_auc
from vcf_training.own_data import OwnData
from vcf_training.parallel import MemberOutcome, MemberTask, threads_of, train_in_parallel
from vcf_training.presets import Preset
from vcf_training.ranking import Answers, answers, best_aggregation
from vcf_training.real_studies import load_rendered, load_unchanged, load_warped, patients_of
from vcf_training.studies import Studies
from vcf_training.views import Crop

SYNTHETIC, OWN = "synthetic", "own data, tuning part"
"""What figures in the manifest are of."""
CHECKPOINTS, LOGS = "checkpoints", "logs"
"""Folders beside the weights: where a killed training goes on from, and its curves for TensorBoard."""


class Progress(Protocol):
    """A callback that hears how far a stage is; ``figures`` are what is worth showing beside the bar."""

    def __call__(self, stage: str, done: int, total: int, figures: dict[str, float] | None = None) -> None: ...


def _silent(stage: str, done: int, total: int, figures: dict[str, float] | None = None) -> None:
    return None


@dataclass(frozen=True)
class Training:
    """Tell what every training shares.

    Members a, b, c, … get the seeds ``seed`` + 1, 2, 3, …: other initial weights and other batches (paper §3.3 names
    both).
    """

    preset: Preset
    out: Path
    seed: int = 0
    shared_data: Path | None = None
    cache: Path | None = None
    start: Path | None = None
    """Folder of weights that members go on from; None for random ones."""
    fresh: bool = False
    """Forget checkpoints and weights of an earlier training of the same settings."""
    progress: Progress = _silent
    own: OwnData | None = None
    """Annotated data to learn from; None for phantoms and deformed CTs alone."""
    with_synthetic: bool = False
    """Learn from phantoms and deformed CTs beside own data. Tuning is on own data alone, if there is any."""

    @property
    def figures_of(self) -> str:
        """Tell what the tuning figures are of."""
        return OWN if self.own and not self.own.synthetic else SYNTHETIC

    @property
    def studies_cache(self) -> Path:
        """Tell where drawn studies are kept."""
        return (self.cache or cache_folder()) / "training"

    def _stage(self, stage: str) -> Callable[[int, int], None]:
        return lambda done, total: self.progress(stage, done, total)

    def train_detector(self) -> dict[str, Any]:
        """Train and save the detector; its entry of the manifest. Goes on where a killed run was; see ``fresh``."""
        preset = self.preset.detector
        real = canal_images.real_images(load_canal_slices(self.shared_data, self.cache))
        phantoms = canal_images.phantom_images(
            preset.phantoms, preset.slices_per_phantom, done=self._stage("phantom slices")
        )
        own = self.own.detector_learns("train", done=self._stage("own slices")) if self.own else []
        sources = [*real, phantoms, *own]
        kept = self._checkpoint(store.DETECTOR_NAME, settings_of(preset, self.seed, digest(*sources)))
        entry: dict[str, Any] = store.read_manifest(self.out).get("detector", {})
        if self._finished(entry, kept, [store.DETECTOR_NAME]):
            return entry
        trained = detector.train(
            sources,
            preset,
            self.seed,
            lambda step, figures: self.progress("detector", step, preset.steps, figures),
            kept=kept,
            logs=self.out / LOGS / store.DETECTOR_NAME,
        )
        store.save_detector(self.out, trained)
        held_out = canal_images.phantom_images(max(2, preset.phantoms // 6), 4, dataset.TUNING_SEEDS)
        entry = self._described(kept) | {
            "real_slices": sum(map(len, real)),
            "real_scans": sorted({str(name) for s in real for name in s.group}),
            "figures": {
                SYNTHETIC: detector.evaluate(trained, held_out),
                "real slices, also trained on": detector.evaluate(trained, detector.CanalImages.joined(real))
                if real
                else None,
            },
        }
        if self.own:
            entry |= {"own_data": self.own.describe(), "own_slices": sum(map(len, own))}
            if tuning := self.own.detector_learns("tune", done=self._stage("own slices, tuning")):
                entry["figures"][OWN] = detector.evaluate(trained, detector.CanalImages.joined(tuning))
        store.update_manifest(self.out, detector=entry)
        kept.remove()
        return entry

    def _checkpoint(self, name: str, settings: dict[str, Any]) -> Checkpoint:
        kept = Checkpoint(self.out / CHECKPOINTS / f"{name}.npz", settings)
        if self.fresh:
            kept.remove()
        return kept

    def _described(self, kept: Checkpoint) -> dict[str, Any]:
        """Tell what every entry of the manifest holds: with it, the same training can be repeated."""
        described = {"settings" if k == "preset" else k: v for k, v in kept.settings.items()}
        return described | {"preset": self.preset.name, "minutes": round(kept.seconds / 60, 1)}

    def _finished(self, entry: dict[str, Any], kept: Checkpoint, networks: Sequence[str]) -> bool:
        """Tell whether an earlier run of the same training got to its end, so that nothing is left to do."""
        if self.fresh or not entry or not store.unchanged(self.out, networks):
            return False
        described = as_json(self._described(kept))
        return all(name in entry for name in described) and not any(
            differences({name: entry[name] for name in described if name != "minutes"}, described)
        )

    def load_studies(self) -> tuple[Studies, Studies]:
        """Training and tuning studies."""
        preset = self.preset.member
        if self.own and not self.with_synthetic:
            return self._own_studies("train"), self.load_tuning()
        training = dataset.load(
            dataset.training_set(preset.phantoms, preset.views, self.crop("train")),
            self.studies_cache,
            done=self._stage("training phantoms"),
        )
        real = self._real_studies("train", preset.unchanged, preset.warped, preset.rendered, preset.views)
        own = [self._own_studies("train")] if self.own else []
        return Studies.joined([training, *real, *own]), self.load_tuning()

    def crop(self, use: Use | Part) -> Crop:
        """Tell how views are cut: those that tune with the overlap that is served, those that train also without."""
        overlap = self.preset.member.overlap
        return Crop(overlaps=(0.0, overlap) if use == "train" and overlap else (overlap,))

    def _real_studies(self, use: Use, unchanged: int, warped: int, masks: int, views: int) -> list[Studies]:
        """Tell what real patients lend, as far as it is at hand."""
        where: dict[str, Any] = {
            "shared_data": self.shared_data,
            "packages": self.cache,
            "use": use,
            "crop": self.crop(use),
        }
        part, cache = "" if use == "train" else f", {use}", self.studies_cache
        found = [
            load_unchanged(unchanged, cache, done=self._stage(f"real CTs{part}"), **where),
            load_warped(warped, views, cache, done=self._stage(f"deformed CTs{part}"), **where),
            load_rendered(masks, views, cache, done=self._stage(f"rendered masks{part}"), **where),
        ]
        return [studies for studies in found if studies is not None]

    def _own_studies(self, part: Part) -> Studies:
        assert self.own is not None
        return self.own.members_learn(
            part,
            self.preset.member.views,
            self.studies_cache,
            crop=self.crop(part),
            weights=self.out,
            done=self._stage(f"own studies, {part}"),
        )

    def load_tuning(self) -> Studies:
        """Tuning studies."""
        if self.own:
            return self._own_studies("tune")
        preset = self.preset.member
        wanted = dataset.tuning_set(preset.tuning_phantoms, self.crop("tune"))
        phantoms = dataset.load(wanted, self.studies_cache, done=self._stage("tuning phantoms"))
        counts = preset.tuning_unchanged, preset.tuning_warped, preset.tuning_rendered
        return Studies.joined([phantoms, *self._real_studies("tune", *counts, views=1)])

    def train_members(
        self, names: Sequence[str], training: Studies, tuning: Studies, *, workers: int = 1
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Train and save members, ``workers`` of them at a time; name and entry of the manifest of each as it finishes.

        Each goes on where a killed run was; see ``fresh``.
        """
        if self.start:
            store.keep_detector_of(self.start, self.out)
        data, tasks = digest(training, tuning), []
        for name in names:
            task = self._member_task(name, data, workers)
            entry: dict[str, Any] = store.read_manifest(self.out).get("members", {}).get(name, {})
            if self._finished(entry, task.kept, [store.encoder_name(name), store.head_name(name)]):
                yield name, entry
            else:
                tasks.append(task)

        def report_progress(name: str, step: int, figures: dict[str, float]) -> None:
            self.progress(f"member {name}", step, self.preset.member.steps, figures)

        for task, trained in train_in_parallel(tasks, training, tuning, report_progress, workers=workers):
            yield task.name, self._finish(task, trained, training)

    def _member_task(self, name: str, data: str, workers: int) -> MemberTask:
        seed = self.seed + 1 + MEMBERS.index(name)
        settings = settings_of(self.preset.member, seed, data)
        if self.start:
            start = store.load_member(name, self.start)
            weights = (w for network in (start.encoder, start.head) for w in network.get_weights())
            settings["started_from_sha256"] = digest(*weights)
        return MemberTask(
            name,
            self.preset.member,
            seed,
            self._checkpoint(f"member_{name}", settings),
            self.out,
            self.out / LOGS / f"member_{name}",
            self.start,
            threads_of(workers),
        )

    def _finish(self, task: MemberTask, trained: MemberOutcome, training: Studies) -> dict[str, Any]:
        """Write a trained member's entry of the manifest."""
        entry = self._described(trained.kept) | {
            "studies": len(training),
            "patches": len(training.patches),
            "best_step": trained.step,
            "figures": {self.figures_of: {"tuning_auc": trained.tuning_auc}},
            "threads": task.threads,
            "history": [[step, round(loss, 4), round(auc, 4)] for step, loss, auc in trained.history],
        }
        if self.own:
            entry["own_data"] = self.own.describe()
        before = store.read_manifest(self.start).get("members", {}).get(task.name, {}) if self.start else {}
        entry["real_scans"] = sorted({*patients_of(training), *before.get("real_scans", ())})
        if self.start:
            entry["started_from"] = {
                k: before[k] for k in ("seed", "settings", "history", "started_from") if k in before
            }
        store.update_manifest(self.out, members={task.name: entry})
        trained.kept.remove()
        return entry

    def fix_operating_point(self) -> dict[str, Any]:
        """Aggregation and threshold of the whole ensemble, fixed on tuning studies and stored with the weights."""
        tuning = self.load_tuning()
        given = ensemble_answers(self.out, tuning)
        aggregation, auc = best_aggregation(tuning.study_label, given, self.preset.member.overlap)
        point = operating_point(tuning.study_label, given.scores(aggregation), specificity=self.preset.specificity)
        point |= {"aggregation": aggregation.plain(), "tuning_auc": auc, "real_scans": patients_of(tuning)}
        phantoms = "synthetic: phantoms of the training ranges with seeds of their own"
        if self.figures_of != SYNTHETIC:
            point["data"] = self.figures_of
        else:
            lent = "; public CTs, deformed and as they are, and rendered masks, of patients who train nothing"
            point["data"] = phantoms + (lent if point["real_scans"] else "")
        store.update_manifest(self.out, operating_point=point)
        return point

    def test(self, patients: int) -> dict[str, Any]:
        """Figures on held-out phantoms, and on deformed copies of the test patient's CT; an entry of the manifest.

        The centre lines are the true ones with a detector's errors; ``vcf_training.evaluate`` runs the whole pipeline.
        """
        aggregation = store.aggregation(self.out)
        wanted = dataset.test_set(patients, aggregation.overlap)
        studies = dataset.load(wanted, self.studies_cache, done=self._stage("test phantoms"))
        given = ensemble_answers(self.out, studies)
        scores, plain = given.scores(aggregation), given.scores(replace(aggregation, smoothing=None))
        threshold = store.read_manifest(self.out)["operating_point"]["threshold"]
        figures = study_figures(studies.study_label, studies.study_grade, scores, threshold) | {
            "auc_without_smoothing": roc_auc(studies.study_label, plain)
        }
        entry: dict[str, Any] = {"synthetic": figures, "ranges": "held out", "studies": len(studies)}
        warped = load_warped(
            patients // 5,
            1,
            self.studies_cache,
            crop=Crop(overlaps=(aggregation.overlap,)),
            packages=self.cache,
            use="evaluate",
        )
        if warped is not None and 0 < warped.study_label.mean() < 1:
            scores = ensemble_answers(self.out, warped).scores(aggregation)
            entry["synthetic, deformed copies of one real CT"] = study_figures(
                warped.study_label, warped.study_grade, scores, threshold
            )
        store.update_manifest(self.out, test=entry)
        return figures


def ensemble_answers(folder: Path, studies: Studies) -> Answers:
    """Tell what all members in a folder say of stored studies."""
    return answers([store.load_member(name, folder) for name in store.member_names(folder)], studies)


def study_figures(
    labels: NDArray[np.uint8], grades: NDArray[np.uint8], scores: NDArray[np.float64], threshold: float
) -> dict[str, float]:
    """AUC for any fracture, for grade ≥ 2 and for grade 1 alone against sound studies, and the rates at a threshold."""
    sensitivity, specificity = rates(labels, scores, threshold)
    figures = {
        "auc": roc_auc(labels, scores),
        "sensitivity": sensitivity,
        "specificity": specificity,
        "threshold": threshold,
    }
    for name, kept in (("auc_grade_2_3", grades != 1), ("auc_grade_1", grades <= 1)):
        if 0 < labels[kept].sum() < kept.sum():
            figures[name] = roc_auc(labels[kept], scores[kept])
    return figures
