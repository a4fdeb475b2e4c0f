# SPDX-License-Identifier: Apache-2.0
"""Sizes of vertebrae against the published means, and names of levels."""

import pytest

from vcf_training.phantom.anatomy import level_size, mean_trabecular_hu, parse_levels


def test_levels_are_interpolated_between_the_measured_ones() -> None:
    assert level_size("T6").height_mm == pytest.approx((16.2 + 18.7) / 2)
    assert level_size("T12").wedge == pytest.approx(0.90)
    assert level_size("L5").wedge > 1
    with pytest.raises(ValueError, match="L6"):
        level_size("L6")


def test_level_ranges_are_read() -> None:
    assert parse_levels("t1-L5") == ("T1", "L5")
    for bad in ("L5-T1", "T1", "T1-X9"):
        with pytest.raises(ValueError, match="range"):
            parse_levels(bad)


def test_density_falls_with_age() -> None:
    assert mean_trabecular_hu(25) == 226
    assert mean_trabecular_hu(90) == 89
    assert 140 < mean_trabecular_hu(62) < 160
