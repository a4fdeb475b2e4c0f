# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from vcf_contract.spec import MAX_PATCHES
from vcf_preprocess.tiling import locations, multiples_between, patch_centres_mm, patch_count


@pytest.mark.parametrize(
    ("length", "k"), [(20, 1), (47.9, 1), (48, 2), (60, 2), (96, 2), (96.1, 3), (420, 9), (700, 15)]
)
def test_patch_count(length, k):
    assert patch_count(length, 48) == k


@pytest.mark.parametrize("length", [48, 60, 96, 97, 133.7, 420, 699.5])
def test_the_column_is_covered_from_end_to_end_with_even_overlap(length):
    centres = patch_centres_mm(10 + length, 10, 48)
    assert centres[0] + 24 == pytest.approx(10 + length)
    assert centres[-1] - 24 == pytest.approx(10)
    stride = -np.diff(centres)
    np.testing.assert_allclose(stride, (length - 48) / (len(centres) - 1))
    assert (stride <= 48 + 1e-9).all()  # no gap between neighbours


def test_a_short_column_has_one_patch_about_its_middle():
    np.testing.assert_allclose(patch_centres_mm(30, 10, 48), [20])


def test_location_runs_from_head_to_feet():
    place = locations(np.array([100.0, 50.0, 0.0]), 100.0, 0.0)
    np.testing.assert_allclose(place, [0, 0.5, 1])


@pytest.mark.parametrize(("length", "k"), [(40, 1), (48, 2), (72, 2), (73, 3), (96, 3), (97, 4), (450, 18)])
def test_patches_that_share_half_of_their_height(length, k):
    """⌈(L − 48)/24⌉ + 1: whatever lies between two centres is seen whole by both patches or in half by each."""
    assert patch_count(length, 48, 0.5) == k
    centres = patch_centres_mm(10 + length, 10, 48, 0.5)
    assert len(centres) == k
    if k > 1:
        assert centres[0] == 10 + length - 24 and centres[-1] == 34
        assert (np.diff(centres) >= -24 - 1e-9).all()


def test_a_long_spine_overlaps_less_rather_than_being_refused():
    assert patch_count(1400, 48) == 30
    assert patch_count(1400, 48, 0.5) == 32
    assert patch_count(1600, 48, 0.5) == 34, "too many even without: the caller refuses it"


@pytest.mark.parametrize("location", [0.0, 1.0, -703.25, 23.999999, 1e5])
@pytest.mark.parametrize("length", [60.0, 96.0, 100.5, 450.0])
def test_overlapping_patches_lie_at_fixed_heights_in_the_patient(location: float, length: float) -> None:
    top, bottom = 10 + length, 10.0
    centres = patch_centres_mm(top, bottom, 48, 0.5, location)
    assert centres[0] == top - 24 and centres[-1] == bottom + 24, "completely tiled, from end to end"
    steps = -np.diff(centres)
    assert (steps > 6 - 1e-6).all() and (steps < 30 + 1e-6).all(), "neighbours share three eighths at least"
    for centre in centres[1:-1]:
        assert abs((centre + location) / 24 - round((centre + location) / 24)) < 1e-6
    assert abs(len(centres) - patch_count(length, 48, 0.5)) <= 1


def test_what_is_cut_off_an_end_moves_no_patch_elsewhere() -> None:
    """Heights in the patient: those of the shorter scan are among those of the longer one, but for its ends."""
    whole = patch_centres_mm(400.0, 0.0, 48, 0.5, -311.0) - 311.0
    for cut_mm in np.arange(1.0, 70.0, 3.7):
        at_the_head = patch_centres_mm(400.0 - cut_mm, 0.0, 48, 0.5, -311.0) - 311.0
        at_the_feet = patch_centres_mm(400.0 - cut_mm, 0.0, 48, 0.5, -311.0 + cut_mm) - 311.0 + cut_mm
        for shorter in (at_the_head, at_the_feet):
            apart = np.abs(shorter[1:-1, None] - whole).min(1)
            assert apart.max() < 1e-9


@pytest.mark.parametrize("overlap", [0.0, 0.5])
def test_patches_are_evenly_spread_where_no_height_is_fixed(overlap: float) -> None:
    """Without overlap there is no room to move them; without a location there is nothing to fix them to."""
    location = 5.0 if not overlap else None
    np.testing.assert_allclose(np.diff(patch_centres_mm(300.0, 0.0, 48, overlap, location), n=2), 0, atol=1e-9)


def test_fixed_heights_never_ask_for_more_patches_than_there_may_be() -> None:
    for length in np.arange(700.0, 1500.0, 13.0):
        centres = patch_centres_mm(length, 0.0, 48, 0.5, 3.0)
        assert len(centres) <= MAX_PATCHES
        assert (np.diff(centres) >= -48).all()


def test_multiples_between_by_counting() -> None:
    found = multiples_between(-10.0, 50.0, 12.0, 7.0)
    assert found.tolist() == [z for z in range(-10, 51) if (z + 7) % 12 == 0]
    assert multiples_between(5.0, 4.0, 12.0, 0.0).tolist() == []
