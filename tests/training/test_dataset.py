# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vcf_training import dataset
from vcf_training.phantom import HELD_OUT_RANGES, TRAINING_RANGES


def test_sets_share_no_patient_and_the_test_set_no_range() -> None:
    sets = [dataset.training_set(1832, 1), dataset.tuning_set(311), dataset.test_set(1000)]
    seeds = [set(range(s.first_seed, s.first_seed + s.patients)) for s in sets]
    assert not (seeds[0] & seeds[1] or seeds[0] & seeds[2] or seeds[1] & seeds[2])
    assert sets[2].ranges == HELD_OUT_RANGES != TRAINING_RANGES
    assert sets[0].ranges == sets[1].ranges == TRAINING_RANGES


@pytest.mark.slow
def test_drawn_once_then_read_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = replace(dataset.training_set(2, 1), pixel_mm=2.0)
    told = []
    first = dataset.load(wanted, tmp_path, workers=1, done=lambda done, total: told.append((done, total)))
    assert told == [(0, 2), (2, 2)]
    assert first.study_label.tolist() == [0, 1, 0, 1]  # twins: healthy, fractured
    monkeypatch.setattr(dataset, "_draw", None)  # drawing again would fail
    again = dataset.load(wanted, tmp_path)
    np.testing.assert_array_equal(again.patches, first.patches)
    assert len(list(tmp_path.iterdir())) == 1


def test_cache_name_follows_the_description() -> None:
    one = dataset.training_set(10, 1)
    assert dataset._digest(one) == dataset._digest(dataset.training_set(10, 1))
    assert dataset._digest(one) != dataset._digest(replace(one, views=2))
