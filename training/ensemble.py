# SPDX-License-Identifier: Apache-2.0
"""``vcf train search``: trains a pool of candidates and makes the best three that can be served members a, b, c."""

import json
import shutil
from dataclasses import asdict
from typing import Any

from training import store
from training.candidates import CANDIDATES, Outcome, load_networks, train_candidate
from training.checkpoint import digest
from training.search import Candidate, Ensemble, best_ensembles, table
from training.studies import Studies
from training.train import Training
from vcf.contract import MEMBERS
from vcf.errors import SetupError

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
    from training.cluster import train_on_ray

    finished = 0

    def done(outcome: Outcome) -> None:
        nonlocal finished
        finished += 1
        training.progress("candidates", finished, len(candidates), {"tuning_auc": outcome.auc})

    return train_on_ray(candidates, training.out, *studies, address=ray, done=done)


def search(training: Training, candidates: list[Candidate], ray: str | None = None) -> dict[str, Any]:
    """Train the pool, try every ensemble of three, install the best, fix its threshold; the entry of the manifest.

    Raises:
        SetupError: fewer than three candidates, or fewer than three that can be served.
    """
    if len(candidates) < len(MEMBERS):
        raise SetupError(f"{len(candidates)} candidates: an ensemble has {len(MEMBERS)} members")
    studies = training.load_studies()
    labels = studies[1].study_label
    outcomes = train_all(training, candidates, studies, ray)
    best = best_ensembles(labels, [o.averaged for o in outcomes])
    served = [n for n, o in enumerate(outcomes) if o.not_served_because is None]
    if len(served) < len(MEMBERS):
        raise SetupError(f"{len(served)} candidates can be served: an ensemble has {len(MEMBERS)} members")
    (chosen, *_) = best_ensembles(labels, [outcomes[n].averaged for n in served], keep=1)
    chosen = Ensemble(tuple(served[n] for n in chosen.members), chosen.auc)
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
                "not_served_because": o.not_served_because,
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
    return {"members": [outcomes[n].candidate.name for n in ensemble.members], "tuning_auc": ensemble.auc}


def _install(training: Training, chosen: list[Outcome], studies: tuple[Studies, Studies]) -> None:
    """Save candidates as members a, b, c, with manifest entries as if they had been trained alone."""
    for member, outcome in zip(MEMBERS, chosen, strict=True):
        candidate = outcome.candidate
        encoder, head = load_networks(candidate, training.out)
        store.save_member(training.out, member, encoder, head, candidate.preset.architecture)
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
