# SPDX-License-Identifier: Apache-2.0
"""``vcf train search``: trains a pool of candidates and makes the best ensemble of them the members."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from vcf_contract.errors import SetupError
from vcf_training import store
from vcf_training.architecture import MEMBERS, USUAL_MEMBERS
from vcf_training.candidates import CANDIDATES, Outcome, load_networks, train_candidate
from vcf_training.checkpoint import digest
from vcf_training.cluster import train_on_ray
from vcf_training.ranking import Answers
from vcf_training.search import Candidate, Ensemble, best_ensembles, table
from vcf_training.studies import Studies
from vcf_training.train import Training

SEARCH = "search"


def train_all(
    training: Training, candidates: list[Candidate], studies: tuple[Studies, Studies], ray: str | None = None
) -> list[Outcome]:
    """Train candidates one after another, or on the Ray cluster at the address ``ray``; finished ones are read."""
    if training.fresh:
        for c in candidates:
            shutil.rmtree(training.out / CANDIDATES / c.name, ignore_errors=True)
    if ray is None:
        return [
            train_candidate(
                c,
                training.out,
                *studies,
                lambda name, step, steps, figures: training.progress(f"candidate {name}", step, steps, figures),
            )
            for c in candidates
        ]
    finished = 0

    def done(outcome: Outcome) -> None:
        nonlocal finished
        finished += 1
        training.progress("candidates", finished, len(candidates), {"tuning_auc": outcome.auc})

    return train_on_ray(candidates, training.out, *studies, address=ray, done=done)


def search(
    training: Training, candidates: list[Candidate], ray: str | None = None, sizes: Sequence[int] = (USUAL_MEMBERS,)
) -> dict[str, Any]:
    """Train the pool, try every ensemble of ``sizes`` members, install the best, fix its threshold.

    Returns the entry of the manifest.

    Raises
    ------
    SetupError
        Fewer candidates than members.
    """
    if len(candidates) < max(sizes):
        raise SetupError(f"{len(candidates)} candidates: too few for an ensemble of {max(sizes)} members")
    studies = training.load_studies()
    labels = studies[1].study_label
    outcomes = train_all(training, candidates, studies, ray)
    best = best_ensembles(
        labels, Answers.joined([o.answers for o in outcomes]), sizes=sizes, overlap=training.preset.member.overlap
    )
    chosen = best[0]
    _install(training, [outcomes[n] for n in chosen.members], studies)
    point = training.fix_operating_point()
    entry = {
        "candidates": {
            o.candidate.name: {
                "tuning_auc": o.auc,
                "seed": o.candidate.seed,
                "settings": asdict(o.candidate.preset),
                "best_step": o.step,
                "minutes": o.minutes,
            }
            for o in outcomes
        },
        "best": [_named(e, outcomes) for e in best],
        "chosen": _named(chosen, outcomes),
        "tuning_studies": len(labels),
        "data": training.figures_of,
    }
    store.write_whole(training.out / f"{SEARCH}.json", json.dumps(entry, indent=2) + "\n")
    text = table([o.candidate.name for o in outcomes], [o.auc for o in outcomes], best)
    store.write_whole(training.out / f"{SEARCH}.md", text)
    store.update_manifest(training.out, search={k: entry[k] for k in ("best", "chosen", "tuning_studies", "data")})
    return entry | {"table": text, "operating_point": point}


def _named(ensemble: Ensemble, outcomes: list[Outcome]) -> dict[str, Any]:
    return {
        "members": [outcomes[n].candidate.name for n in ensemble.members],
        "aggregation": ensemble.aggregation.plain(),
        "tuning_auc": ensemble.auc,
    }


def _install(training: Training, chosen: list[Outcome], studies: tuple[Studies, Studies]) -> None:
    """Save candidates as the members a, b, …, with manifest entries as if they had been trained alone."""
    store.keep_members(training.out, MEMBERS[: len(chosen)])
    for member, outcome in zip(MEMBERS, chosen, strict=False):
        candidate = outcome.candidate
        encoder, head = load_networks(candidate, training.out)
        store.save_member(training.out, member, encoder, head)
        entry = {
            "candidate": candidate.name,
            "preset": training.preset.name,
            "settings": asdict(candidate.preset),
            "seed": candidate.seed,
            "data": digest(*studies),
            "studies": len(studies[0]),
            "patches": len(studies[0].patches),
            "best_step": outcome.step,
            "minutes": outcome.minutes,
            "figures": {training.figures_of: {"tuning_auc": outcome.auc}},
        }
        store.update_manifest(training.out, members={member: entry})
