# SPDX-License-Identifier: Apache-2.0
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("openvino")

from benchmarks.floor import Work, copy_in_parallel, study_gflop
from benchmarks.inprocess import REPOSITORY
from export.speed import gflop
from vcf.contract import ENCODERS, FEATURES, HEADS, SPINAL_CORD_DETECTOR

STATE, INPUT = 32, 32
"""Of a head's LSTM: its units, and the features of a patch after the first layer."""


def test_floor_by_hand() -> None:
    assert Work(gflop=20.0, volume_bytes=200_000_000).floor_ms(100.0, 10e9) == pytest.approx(200 + 20)


def test_work_of_a_head_is_that_of_its_layers_and_its_lstm() -> None:
    """Dense to 32, four gates that see these, the location and the state before, and one output that sees all three."""
    dense, gates, output = FEATURES * INPUT, 4 * STATE * (INPUT + 1 + STATE), INPUT + 1 + STATE
    assert gflop(REPOSITORY, HEADS[0]) * 1e9 == pytest.approx(2 * (dense + gates + output))


def test_work_of_a_study_grows_with_its_slices_and_patches() -> None:
    none = study_gflop(REPOSITORY, 0, 0)
    image = study_gflop(REPOSITORY, 1, 0)
    patch = study_gflop(REPOSITORY, 0, 1)
    assert none == 0
    assert image == pytest.approx(gflop(REPOSITORY, SPINAL_CORD_DETECTOR))
    # Three members and two flips.
    assert patch == pytest.approx(6 * (gflop(REPOSITORY, ENCODERS[0]) + gflop(REPOSITORY, HEADS[0])))
    assert study_gflop(REPOSITORY, 13, 7) == pytest.approx(13 * image + 7 * patch)


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_a_copy_in_parts_is_whole(parts: int) -> None:
    source = np.random.default_rng(0).integers(0, 99, (7, 5, 3), np.int16)
    target = np.zeros_like(source)
    with ThreadPoolExecutor(parts) as pool:
        copy_in_parallel(pool, parts, target, source)
    np.testing.assert_array_equal(target, source)
