# SPDX-License-Identifier: Apache-2.0
"""Studies made of real CTs: deformed copies with and without fractures, drawn once and kept in the cache.

Phantoms alone would teach what rendered bone looks like. Real CTs without fractures alone would teach that real bone
is never fractured. Twins of one deformed CT, healthy and ill, teach neither.
"""

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path

from training.data.sources import Use
from training.studies import Studies
from training.warp import load_patients
from training.warp.studies import warped_studies

log = logging.getLogger(__name__)
Done = Callable[[int, int], None]
EVALUATION_SEED = 900_000


def load_warped(
    samples: int,
    views: int,
    cache: Path,
    *,
    shared_data: Path | None = None,
    packages: Path | None = None,
    use: Use = "train",
    done: Done = lambda *_: None,
) -> Studies | None:
    """Twins of ``samples`` deformations, each seen ``views`` times; None where no CT is at hand.

    ``use="evaluate"`` deforms the test patient, who is in no training.
    """
    if not samples:
        return None
    path = cache / f"warped-{_digest((samples, views, use, shared_data is not None))}.npz"
    if path.is_file():
        return Studies.load(path)
    patients = load_patients(shared_data, packages, use)
    if not patients:
        log.warning("no real CT at hand: members learn from phantoms alone")
        return None
    first = 0 if use == "train" else EVALUATION_SEED
    parts = []
    for number in range(samples):
        for probability in (0.0, 1.0):
            try:
                parts.append(
                    warped_studies(first + number, 1, patients=patients, fracture_probability=probability, views=views)
                )
            except ValueError as error:  # a short CT that no drawn deformation fits
                log.info("deformation %d left out: %s", number, error)
        done(number + 1, samples)
    studies = Studies.joined(parts)
    cache.mkdir(parents=True, exist_ok=True)
    studies.save(path)
    return studies


def _digest(description: object) -> str:
    root = Path(__file__).parent
    code = [Path(__file__), root / "views.py", *root.glob("warp/*.py"), *root.glob("warp/*.csv")]
    content = repr(description).encode() + b"".join(p.read_bytes() for p in sorted(code))
    return hashlib.sha256(content).hexdigest()[:16]
