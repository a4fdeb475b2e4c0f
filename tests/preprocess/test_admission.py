# SPDX-License-Identifier: Apache-2.0
"""What is refused before any work, and that nothing else is."""

import numpy as np
import pytest

from vcf_contract.contract import MAX_SLICE_IMAGES
from vcf_contract.errors import Code, StudyRefused
from vcf_contract.spec import MIN_COVERAGE_MM
from vcf_preprocess import admission, slices


def volume(*shape):
    """A view of one voxel: any shape costs nothing."""
    return np.broadcast_to(np.int16(0), shape)


def refusal(shape, spacing_mm):
    with pytest.raises(StudyRefused) as caught:
        admission.check(volume(*shape), np.asarray(spacing_mm, np.float32))
    return caught.value


@pytest.mark.parametrize(
    ("shape", "spacing_mm"),
    [((300, 512, 512), (1.5, 0.7, 0.7)), ((24, 16, 16), (5.0, 5.0, 5.0)), ((700, 512, 512), (1.0, 0.98, 0.98))],
)
def test_usual_scans_are_taken(shape, spacing_mm):
    found = admission.check(volume(*shape), np.asarray(spacing_mm, np.float32))
    assert found == pytest.approx(spacing_mm)
    assert all(type(value) is float for value in found)


@pytest.mark.parametrize("shape", [(0, 512, 512), (1, 512, 512), (100, 0, 512), (100, 512, 15), (100, 512), (9,)])
def test_shape(shape):
    error = refusal(shape, (1.5, 0.7, 0.7))
    assert error.code is Code.BAD_INPUT
    assert str(list(shape)) in error.sentence


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 0.0, -1.0, 1e-6, 1e6])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_spacing(bad, axis):
    spacing_mm = [1.5, 0.7, 0.7]
    spacing_mm[axis] = bad
    error = refusal((300, 64, 64), spacing_mm)
    assert error.code is Code.BAD_INPUT
    assert "spacing_mm" in error.sentence


def test_spacing_of_two_numbers():
    assert refusal((300, 64, 64), (1.0, 1.0)).code is Code.BAD_INPUT


def test_coverage_at_the_limit():
    admission.check(volume(int(MIN_COVERAGE_MM), 64, 64), np.ones(3))
    error = refusal((int(MIN_COVERAGE_MM) - 1, 64, 64), (1, 1, 1))
    assert error.code is Code.TOO_SHORT
    assert "119 mm" in error.sentence and "120 mm" in error.sentence


def test_no_accepted_scan_has_more_slice_images_than_the_detector_takes():
    n = 1
    while True:
        try:
            admission.check(volume(n + 1, 64, 64), np.array([10.0, 1.0, 1.0]))
        except StudyRefused as error:
            if error.code is Code.TOO_LONG:
                break
        n += 1
    assert n > 150
    assert len(slices.pick(n, 10.0)) <= MAX_SLICE_IMAGES
