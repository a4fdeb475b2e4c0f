# SPDX-License-Identifier: Apache-2.0
"""The analysis in one process, with networks whose answers are known."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.preprocess import anatomy
from vcf_contract.contract import CANAL_GRID
from vcf_contract.errors import Code, StudyRefused
from vcf_contract.spec import DETECTOR
from vcf_preprocess.aggregate import NOT_LEARNED, Aggregation
from vcf_preprocess.geometry import Volume
from vcf_preprocess.slices import pick, volume_to_image_px
from vcf_training.reference import analyze, classify

SPACING = (3.0, 2.0, 2.0)
MEMBERS, FLIPS = 2, 2


@pytest.fixture(scope="module")
def volume() -> Volume:
    return anatomy.sample(SPACING)


def networks(volume: Volume, *, blind: bool = False, seen: list[Any] | None = None) -> Any:
    """A detector that knows the canal, and a head that finds each patch worse than the one above."""

    def detector(images: np.ndarray) -> np.ndarray:
        indices = pick(len(volume.hu), SPACING[0])
        assert len(images) == len(indices)
        grid = np.zeros((len(images), *CANAL_GRID.shape[1:]), np.float32)
        grid[..., 4::5] = -8
        centres = np.stack(anatomy.canal_at(indices * SPACING[0]), -1)
        for number, (x, y) in enumerate(volume_to_image_px(centres, volume.hu.shape, SPACING) / DETECTOR.stride_px):
            if not blind:
                logits = [np.log(f / (1 - f)) for f in (x % 1, y % 1)]
                grid[number, int(y), int(x), :5] = [*logits, 0, 0, 8]
        return grid

    def head(inputs: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        features, location = inputs
        if seen is not None:
            seen.append((features, location))
        scores = np.linspace(0.1, 0.9, len(location), dtype=np.float32)
        patch = np.broadcast_to(scores, (MEMBERS, FLIPS, len(location)))
        return patch, np.full((MEMBERS, FLIPS), NOT_LEARNED, np.float32)

    return SimpleNamespace(
        detector=detector,
        patch_encoder=lambda patches: patches.mean(axis=(1, 2, 3, 4), keepdims=False)[:, None],
        sequence_head=head,
        aggregation=Aggregation(),
    )


def test_a_study_is_scored_as_its_patches_are(volume: Volume) -> None:
    seen: list[Any] = []
    found = analyze(volume, networks(volume, seen=seen))
    k = len(found.spine.patches)
    np.testing.assert_allclose(found.patch_probabilities, np.linspace(0.1, 0.9, k), atol=1e-6)
    assert 0.6 < found.study_score <= 0.9 + 1e-6
    ((features, location),) = seen
    assert features.shape == (k, 1) and location.tolist() == found.spine.location.tolist()


def test_a_spine_that_is_not_found_is_refused(volume: Volume) -> None:
    with pytest.raises(StudyRefused) as refused:
        analyze(volume, networks(volume, blind=True))
    assert refused.value.code == Code.SPINE_NOT_FOUND


def test_patches_alone_are_classified(volume: Volume) -> None:
    patch, study = classify(networks(volume), np.zeros((3, 4, 4, 4, 1), np.float32), np.zeros(3, np.float32))
    assert patch.shape == (MEMBERS, FLIPS, 3) and study.shape == (MEMBERS, FLIPS)
