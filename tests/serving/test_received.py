# SPDX-License-Identifier: Apache-2.0
"""Inputs against the contract: what a study holds passes, anything else is refused with the limits in the sentence."""

import numpy as np
import pytest

from vcf_contract.contract import (
    CLOCK,
    FEATURE_ROWS,
    LOCATION,
    MAX_SLICE_IMAGES,
    PATCH_ENCODER,
    PATCH_PROBABILITY,
    PATCHES,
    SEQUENCE_HEAD,
    SLICE_IMAGES,
    VOLUME,
)
from vcf_contract.errors import Code, StudyRefused
from vcf_runtime import received


def images(rows, value=0.5):
    return np.full((rows, *SLICE_IMAGES.shape[1:]), value, np.float32)


@pytest.mark.parametrize(
    ("tensor", "array"),
    [
        (SLICE_IMAGES, images(3)),
        (SLICE_IMAGES, images(2, 1.0005)),  # rounding
        (SLICE_IMAGES, images(0)),  # how many there must be is for the step to say
        (VOLUME, np.zeros((2, 3, 4), np.int16)),
        (CLOCK, np.arange(7)),
        (PATCH_PROBABILITY, np.full((3, 2, 32), 1, np.float32)),
    ],
)
def test_what_a_study_holds(tensor, array):
    received.check(tensor, array)


@pytest.mark.parametrize(
    ("tensor", "array", "sentence"),
    [
        (SLICE_IMAGES, images(MAX_SLICE_IMAGES + 1), "needed is [-1, 256, 256, 1] with at most 64 for each -1"),
        (SLICE_IMAGES, images(1)[..., 0], "slice_images has shape [1, 256, 256]"),
        (SLICE_IMAGES, images(1, np.nan), "slice_images holds NaN or infinity"),
        (SLICE_IMAGES, images(1, np.inf), "slice_images holds NaN or infinity"),
        (SLICE_IMAGES, images(1, 1e38), "from 1e+38 to 1e+38, needed are those from 0 to 1"),
        (VOLUME, np.zeros((4, 4), np.int16), "volume has shape [4, 4]"),
        (CLOCK, np.arange(1000), "clock_ns has shape [1000]"),
        (PATCH_PROBABILITY, np.zeros((1, 1, 10**6), np.float32), "patch_probability has shape [1, 1, 1000000]"),
    ],
)
def test_what_no_study_holds(tensor, array, sentence):
    with pytest.raises(StudyRefused) as caught:
        received.check(tensor, array)
    assert caught.value.code is Code.BAD_INPUT
    assert sentence in str(caught.value)


def test_one_nan_among_many():
    many = images(4)
    many[3, 200, 100, 0] = np.nan
    with pytest.raises(StudyRefused, match="NaN"):
        received.check(SLICE_IMAGES, many)


def head(features, locations):
    return {FEATURE_ROWS.name: np.zeros((features, 8), np.float32), LOCATION.name: np.zeros(locations, np.float32)}


def test_a_patch_has_a_row_in_every_input():
    received.check_network(SEQUENCE_HEAD.name, head(3, 3), batched=False)
    for rows in ((0, 0), (2, 3), (2**14, 1)):
        with pytest.raises(StudyRefused, match="as many of each"):
            received.check_network(SEQUENCE_HEAD.name, head(*rows), batched=False)


def test_a_batching_model_has_rows_before_the_axes_of_the_contract():
    patches = np.zeros((5, *PATCHES.shape[1:]), np.float32)
    received.check_network(PATCH_ENCODER.name, {PATCHES.name: patches}, batched=True)
    with pytest.raises(StudyRefused, match="needed are those from 0 to 1"):
        received.check_network(PATCH_ENCODER.name, {PATCHES.name: patches + 2}, batched=True)


def test_a_network_that_the_contract_does_not_know_needs_finite_numbers():
    received.check_network("another", {"x": np.full(3, 1e30)}, batched=True)
    with pytest.raises(StudyRefused, match="x holds NaN"):
        received.check_network("another", {"x": np.array([1, np.nan])}, batched=True)
