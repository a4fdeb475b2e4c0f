# SPDX-License-Identifier: Apache-2.0
"""Ends of what varies between phantoms."""

from dataclasses import fields

import pytest

from vcf_training.phantom import HELD_OUT_RANGES, TRAINING_RANGES, Ranges


@pytest.mark.parametrize("ranges", [TRAINING_RANGES, HELD_OUT_RANGES], ids=["training", "held out"])
def test_ends_are_in_order_and_shares_are_shares(ranges: Ranges) -> None:
    for field in fields(ranges):
        value = getattr(ranges, field.name)
        if isinstance(value, tuple):
            low, high = value
            assert low <= high, field.name
        elif field.name.endswith("_share"):
            assert 0 <= value <= 1, field.name


@pytest.mark.parametrize("ranges", [TRAINING_RANGES, HELD_OUT_RANGES], ids=["training", "held out"])
def test_lengths_that_must_be_positive(ranges: Ranges) -> None:
    for name in ("slice_mm", "endplate_mm", "scale", "disc_factor", "overlap"):
        assert getattr(ranges, name)[0] > 0, name
    assert 18 <= ranges.age_years[0] < ranges.age_years[1] <= 110


def test_training_covers_the_slices_that_are_accepted() -> None:
    """docs/reading.md: up to 5 mm."""
    low, high = TRAINING_RANGES.slice_mm
    assert low <= 1.0 and high >= 4.0
