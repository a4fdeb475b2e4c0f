# SPDX-License-Identifier: Apache-2.0
"""The defaults against the paper's numbers and against each other."""

import pytest

from vcf_contract import spec
from vcf_contract.spec import CENTRE_LINE, DETECTOR, PATCH, SMOOTHING


def test_the_papers_numbers() -> None:
    """Section 2.1: a slice every 30 mm; 2.2: patches of 32³ voxels, window 370/840."""
    assert DETECTOR.slice_every_mm == 30
    assert PATCH.grid == (32, 32, 32)
    assert PATCH.window_hu == (370 - 420, 370 + 420)


def test_a_patch_has_the_documented_box() -> None:
    """docs/architecture.md, "What the paper leaves open"."""
    assert PATCH.box_mm == (48, 64, 48)
    assert PATCH.anterior_mm > PATCH.posterior_mm, "the vertebral body lies in front of the canal"


def test_the_detector_sees_the_widest_table() -> None:
    """A CT's largest field of view is 500 mm; the canal of a patient who lies on the table is within 400 mm of it."""
    assert DETECTOR.image_px * DETECTOR.pixel_mm > 400
    assert DETECTOR.grid * DETECTOR.stride_px == DETECTOR.image_px, "no rest of a cell at the rim"
    assert DETECTOR.head_channels == 15, "tx, ty, tw, th, to for each of three anchors"


def test_the_shortest_scan_has_slices_enough_for_a_line() -> None:
    assert spec.MIN_COVERAGE_MM / DETECTOR.slice_every_mm >= CENTRE_LINE.min_hits
    assert CENTRE_LINE.max_gap_mm >= 2 * DETECTOR.slice_every_mm, "one missed slice must not cut the spine"
    assert CENTRE_LINE.hold_beyond_mm <= DETECTOR.slice_every_mm


def test_the_longest_study_is_longer_than_a_spine() -> None:
    assert spec.MAX_PATCHES * PATCH.height_mm > 1000


def test_smoothing_keeps_the_mean() -> None:
    assert SMOOTHING is not None
    assert sum(SMOOTHING) == pytest.approx(1) and SMOOTHING[::-1] == SMOOTHING


def test_specifications_cannot_be_changed_in_passing() -> None:
    with pytest.raises(AttributeError):
        PATCH.height_mm = 40.0  # type: ignore[misc]
