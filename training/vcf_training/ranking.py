# SPDX-License-Identifier: Apache-2.0
"""Tell what members and ensembles score on a set of studies, by the graphs and the aggregation that are served.

Search, threshold and test figures all come from here, so what is ranked is what a server answers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vcf_preprocess.aggregate import Aggregation, aggregations, study_scores
from vcf_training import served
from vcf_training.member import encoded
from vcf_training.metrics import roc_auc
from vcf_training.served import Member
from vcf_training.studies import Studies


@dataclass(frozen=True)
class Answers:
    """Tell what ``members`` members say of m studies with n patches.

    patch_probability
        (members, flips, n).
    study_probability
        (members, flips, m), `vcf_preprocess.aggregate.NOT_LEARNED` where nothing was learned.
    starts
        (m + 1,): study i has the patches starts[i] to starts[i + 1].
    """

    patch_probability: NDArray[np.float32]
    study_probability: NDArray[np.float32]
    starts: NDArray[np.int64]

    @classmethod
    def joined(cls, parts: "Sequence[Answers]") -> "Answers":
        """All members of several sets, which are of the same studies."""
        return cls(
            np.concatenate([part.patch_probability for part in parts]),
            np.concatenate([part.study_probability for part in parts]),
            parts[0].starts,
        )

    def scores(self, aggregation: Aggregation, ensembles: NDArray[np.intp] | None = None) -> NDArray[np.float64]:
        """Study scores (m,) of all members together, or (e, m) of ensembles (e, size) of them by index."""
        taken = np.arange(len(self.patch_probability)) if ensembles is None else ensembles
        scores = [
            study_scores(
                self.patch_probability[taken, :, self.starts[i] : self.starts[i + 1]],
                self.study_probability[taken, :, i],
                aggregation,
            ).study_score
            for i in range(len(self.starts) - 1)
        ]
        return np.stack(scores, axis=-1)


def answers(members: Sequence[Member], studies: Studies) -> Answers:
    """Ask members for their answers to stored patches, each study alone as a server does."""
    head, rows = served.sequence_head(members), encoded(served.patch_encoder(members), studies)
    patch, study = zip(
        *(map(np.asarray, head([rows[own], studies.location[own]])) for own in map(studies.rows, range(len(studies)))),
        strict=True,
    )
    return Answers(np.concatenate(patch, axis=-1), np.stack(study, axis=-1), studies.starts)


def best_aggregation(labels: NDArray[np.uint8], of: Answers, overlap: float = 0.0) -> tuple[Aggregation, float]:
    """The aggregation with the largest ROC AUC on labelled studies, and that area; of equal ones the first listed.

    ``overlap`` is that of the studies' patches.

    Raises
    ------
    ValueError
        The studies are of one class alone.
    """
    tried = aggregations(overlap)
    areas = [roc_auc(labels, of.scores(aggregation)) for aggregation in tried]
    best = int(np.argmax(areas))
    return tried[best], areas[best]
