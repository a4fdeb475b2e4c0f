# SPDX-License-Identifier: Apache-2.0
"""Missing slices of a volume that is linear along z come back as they were."""

import numpy as np
import pytest

from vcf_client.gaps import fill_gaps, interpolate_missing
from vcf_contract.errors import Code, StudyRefused


def ramp(slices: int = 8) -> np.ndarray:
    """Linear along z, so that interpolation is exact; different in every voxel of a slice."""
    z, y, x = np.ogrid[:slices, :40, :50]
    return (6 * z + y - 2 * x).astype(np.int16)


@pytest.mark.parametrize("gone", [(3,), (2, 3), (2, 5)])
def test_missing_slices_lie_between_their_neighbours(gone: tuple[int, ...]) -> None:
    hu, truth = ramp(), ramp()
    hu[list(gone)] = -9999
    assert fill_gaps(hu, [k in gone for k in range(len(hu))]) == (Code.SLICES_FILLED,)
    np.testing.assert_array_equal(hu, truth)


def test_a_picture_of_one_value_is_none() -> None:
    hu, truth = ramp(), ramp()
    hu[4] = 0
    assert fill_gaps(hu, [False] * len(hu)) == (Code.SLICES_FILLED,)
    np.testing.assert_array_equal(hu, truth)


def test_a_slice_that_is_equal_where_it_is_looked_at_first_is_a_picture() -> None:
    hu = ramp()
    hu[4] = 7
    hu[4, 5, 5] = 8
    before = hu.copy()
    assert fill_gaps(hu, [False] * len(hu)) == ()
    np.testing.assert_array_equal(hu, before)


def test_more_than_two_are_refused_whatever_they_are() -> None:
    hu = ramp()
    hu[3] = 0
    with pytest.raises(StudyRefused, match=r"3 slices inside the scan .*; up to 2 are accepted") as refused:
        fill_gaps(hu, [k in (1, 5) for k in range(len(hu))])
    assert refused.value.code == Code.MISSING_SLICES


def test_values_are_rounded_and_the_largest_stay() -> None:
    hu = np.array([[[32767]], [[0]], [[0]], [[-32768]]], np.int16)
    interpolate_missing(hu, [False, True, True, False])
    assert hu.ravel().tolist() == [32767, round(32767 - 65535 / 3), round(-32768 + 65535 / 3), -32768]
