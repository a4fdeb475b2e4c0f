# SPDX-License-Identifier: Apache-2.0
"""The pipeline in one process answers as the served one does, and compiles the networks as its backends do."""

from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import numpy as np
import pytest

for module in ("onnx", "onnxruntime", "openvino", "threadpoolctl"):
    pytest.importorskip(module)

from threadpoolctl import threadpool_info  # noqa: E402

from vcf_benchmarks.harness.inprocess import Pipeline, openvino_properties  # noqa: E402
from vcf_client.study import Study  # noqa: E402
from vcf_contract.contract import PATCH_ENCODER, SPINAL_CORD_DETECTOR  # noqa: E402
from vcf_contract.errors import Code, StudyRefused  # noqa: E402
from vcf_preprocess.geometry import Volume  # noqa: E402


@pytest.fixture(scope="module")
def volume() -> Volume:
    """Bright in the middle of each slice, with patches that differ."""
    rng = np.random.default_rng(7)
    hu = rng.integers(-200, 600, (40, 96, 96)).astype(np.int16)
    hu += (np.arange(40) * 20).astype(np.int16)[:, None, None]
    return Volume(hu, (5.0, 3.0, 3.0), np.diag([3.0, 3.0, 5.0, 1.0]))


def blas_threads() -> list[int]:
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


def test_as_many_threads_as_asked_and_all_given_back(tiny_repository, volume: Volume) -> None:
    before = blas_threads()
    with Pipeline(tiny_repository) as alone:
        found_alone = alone.analyze(volume)
    expected = found_alone.patch_scores
    with Pipeline(tiny_repository, studies_at_once=64) as shared:
        assert set(blas_threads()) == {1}
        with ThreadPoolExecutor(3) as pool:
            found = list(pool.map(lambda _: shared.analyze(volume), range(9)))
    assert blas_threads() == before
    assert len(expected) >= 2 and np.ptp(expected) > 1e-3
    for one in found:
        np.testing.assert_allclose(one.patch_scores, expected, atol=1e-6)
        for name in ("midsagittal", "midsagittal_mm", "patch_boxes_mm", "centre_line_mm", "location"):
            np.testing.assert_array_equal(getattr(one.spine, name), getattr(found_alone.spine, name), err_msg=name)
    with pytest.raises(ValueError, match="studies_at_once"):
        Pipeline(tiny_repository, studies_at_once=0)


def test_refuses_as_the_server_does(tiny_repository) -> None:
    with Pipeline(tiny_repository) as pipeline, pytest.raises(StudyRefused) as refused:
        pipeline.analyze(Volume(np.zeros((5, 64, 64), np.int16), (5.0, 1.0, 1.0), np.eye(4)))
    assert refused.value.code is Code.TOO_SHORT


@pytest.mark.parametrize("network", [SPINAL_CORD_DETECTOR, PATCH_ENCODER], ids=lambda network: network.name)
def test_networks_are_compiled_as_the_backend_compiles_them(network) -> None:
    from tests import fake_stub
    from vcf_export.config import CPU, network_runtime

    backend = fake_stub.load(fake_stub.ROOT / "backends" / "openvino" / "model.py")
    served = backend.properties(network_runtime(network, CPU).parameters)
    served = {key: value for key, value in served.items() if key not in backend.SWITCHES}
    ours = openvino_properties(network)
    assert {key: str(value) for key, value in ours.items()} == {key: str(value) for key, value in served.items()}


@pytest.mark.server
@pytest.mark.skipif(find_spec("pytriton") is None, reason="the Triton server is not installed (nvidia-pytriton)")
@pytest.mark.parametrize("transport", ["shm", "crop", "volume"])
def test_answers_are_those_of_the_server(tiny_repository, triton_server, volume: Volume, transport: str) -> None:
    from vcf_client import VcfClient

    with Pipeline(tiny_repository) as pipeline, VcfClient(triton_server.grpc_url, transport=transport) as client:
        ours = pipeline.analyze(volume)
        served = client.analyze(Study(volume, "case"))
    assert served.study_score == pytest.approx(ours.study_score, abs=1e-4)
    np.testing.assert_allclose([patch.score for patch in served.patches], ours.patch_scores, atol=1e-4)
