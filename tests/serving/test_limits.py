# SPDX-License-Identifier: Apache-2.0
"""Studies from the shortest to beyond the limit, and many at once: told by Triton's own statistics."""

import importlib.util
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if importlib.util.find_spec("pytriton") is None:
    pytest.skip("the Triton server is not installed (nvidia-pytriton)", allow_module_level=True)
grpc_client = pytest.importorskip("tritonclient.grpc")

from vcf_contract.contract import PATCH_ENCODER, PATCH_SCORES, SPACING_MM, VCF, VOLUME  # noqa: E402
from vcf_contract.errors import Code, StudyRefused  # noqa: E402
from vcf_contract.spec import MAX_PATCHES, PATCH  # noqa: E402
from vcf_export.config import CPU, STUDIES  # noqa: E402

if TYPE_CHECKING:
    from vcf_server.server import TritonServer

pytestmark = pytest.mark.server
DZ_MM = 6.0
MOST_AT_A_TIME, _ = STUDIES[CPU]


def ask(client: Any, height_mm: float, bright: int = 40) -> np.ndarray:
    """Patch scores of a block of soft tissue of this height, which grows brighter towards the head."""
    volume = np.full((round(height_mm / DZ_MM), 32, 32), bright, np.int16)
    volume[:, 10:20, 10:20] += np.arange(len(volume), dtype=np.int16)[:, None, None]
    arrays = {VOLUME: volume, SPACING_MM: np.array([DZ_MM, 6, 6], np.float32)}
    made = []
    for tensor, array in arrays.items():
        made.append(grpc_client.InferInput(tensor.name, array.shape, tensor.dtype))
        made[-1].set_data_from_numpy(array)
    return client.infer(VCF.name, made).as_numpy(PATCH_SCORES.name)


def counts(client: Any) -> np.ndarray:
    """Studies and executions of the encoder so far; it takes the patches of one study at a time."""
    stats = client.get_inference_statistics(PATCH_ENCODER.name).model_stats[0]
    return np.array([stats.inference_count, stats.execution_count])


@pytest.mark.parametrize("k", [3, 9, MAX_PATCHES])
def test_any_k_up_to_the_limit(triton_server: "TritonServer", k: int) -> None:
    with grpc_client.InferenceServerClient(triton_server.grpc_url) as client:
        before = counts(client)
        scores = ask(client, k * PATCH.height_mm - DZ_MM)
        assert scores.shape == (k,) and np.isfinite(scores).all()
        assert (counts(client) - before).tolist() == [1, 1]


def test_beyond_the_limit_no_encoder_runs(triton_server: "TritonServer") -> None:
    with grpc_client.InferenceServerClient(triton_server.grpc_url) as client:
        before = counts(client)
        with pytest.raises(grpc_client.InferenceServerException) as caught:
            ask(client, (MAX_PATCHES + 2) * PATCH.height_mm)
        assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"
        refused = StudyRefused.find(caught.value.message())
        assert refused is not None and refused.code is Code.TOO_LONG
        assert (counts(client) == before).all()


def test_concurrent_studies_are_encoded_one_by_one(triton_server: "TritonServer") -> None:
    """Every patch is encoded once, and a study waits for no other's patches.

    One caller fewer than are taken: a study that another test has given up may still count.
    """
    heights = [150 + 30 * (i % 6) for i in range(32)]
    pool = ThreadPoolExecutor(MOST_AT_A_TIME - 1)
    with grpc_client.InferenceServerClient(triton_server.grpc_url) as client, pool:
        alone = {height: ask(client, height, height) for height in set(heights)}
        before = counts(client)
        found = list(pool.map(lambda height: ask(client, height, height), heights))
        after = counts(client)
    for height, scores in zip(heights, found, strict=True):
        np.testing.assert_allclose(scores, alone[height], atol=1e-6)
    assert (after - before).tolist() == [len(heights), len(heights)]
