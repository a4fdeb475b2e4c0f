# SPDX-License-Identifier: Apache-2.0
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("openvino")

from vcf_benchmarks.floor.measure import Work, copy_in_parallel, study_gflop
from vcf_contract.contract import PATCH_ENCODER, SEQUENCE_HEAD, SPINAL_CORD_DETECTOR
from vcf_export.speed import gflop
from vcf_server.assets import MODEL_REPOSITORY

STATE, INPUT = 32, 32
"""Of a member's LSTM: its units, and the features of a patch after the first layer."""
MEMBERS, FLIPS, FEATURES = 3, 2, 2048
"""Of the shipped weights."""


def test_floor_by_hand() -> None:
    assert Work(gflop=20.0, volume_bytes=200_000_000).floor_ms(100.0, 10e9) == pytest.approx(200 + 20)


def test_work_of_the_head_is_that_of_its_layers_and_lstms() -> None:
    """For each member and flip: dense to 32, four gates that see these, the location and the state before, and one
    output that sees all three."""
    dense, gates, output = FEATURES * INPUT, 4 * STATE * (INPUT + 1 + STATE), INPUT + 1 + STATE
    by_hand = MEMBERS * FLIPS * 2 * (dense + gates + output)
    assert gflop(MODEL_REPOSITORY, SEQUENCE_HEAD) * 1e9 == pytest.approx(by_hand)


def test_work_of_a_study_grows_with_its_slices_and_patches() -> None:
    none = study_gflop(MODEL_REPOSITORY, 0, 0)
    image = study_gflop(MODEL_REPOSITORY, 1, 0)
    patch = study_gflop(MODEL_REPOSITORY, 0, 1)
    assert none == 0
    assert image == pytest.approx(gflop(MODEL_REPOSITORY, SPINAL_CORD_DETECTOR))
    assert patch == pytest.approx(gflop(MODEL_REPOSITORY, PATCH_ENCODER) + gflop(MODEL_REPOSITORY, SEQUENCE_HEAD))
    assert study_gflop(MODEL_REPOSITORY, 13, 7) == pytest.approx(13 * image + 7 * patch)


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_a_copy_in_parts_is_whole(parts: int) -> None:
    source = np.random.default_rng(0).integers(0, 99, (7, 5, 3), np.int16)
    target = np.zeros_like(source)
    with ThreadPoolExecutor(parts) as pool:
        copy_in_parallel(pool, parts, target, source)
    np.testing.assert_array_equal(target, source)
