# SPDX-License-Identifier: Apache-2.0
"""Whatever training makes is served: every variant, other patches and windows, one, three and five members.

Each member is trained for some steps. Their folder of weights goes through the command line to a repository, which the
real server serves; its scores are those of the Keras networks in this process.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow")
pytest.importorskip("tf2onnx")
pytest.importorskip("nncf")
pytest.importorskip("openvino")

from tests.random_members import ENSEMBLES, Kind, member, members, save
from tests.training.resumable import MEMBER
from tests.training.served_studies import served_studies
from vcf_cli import main
from vcf_client import VcfClient
from vcf_client.findings import Findings
from vcf_client.study import Study
from vcf_contract.contract import PATCH_ENCODER, PATCHES, SEQUENCE_HEAD, Model
from vcf_contract.spec import PATCH
from vcf_export import calibration, runtimes
from vcf_export.config import CPU, CPU_INT8, OPENVINO, differing, network_runtime
from vcf_export.onnx import to_onnx
from vcf_export.parity import FP32_TOLERANCE
from vcf_export.shapes import exported_shapes
from vcf_preprocess.aggregate import AGGREGATIONS, WIDE_SMOOTHING
from vcf_preprocess.geometry import Volume
from vcf_server import passport, repository
from vcf_training import member as training
from vcf_training import served, store
from vcf_training.architecture import VARIANTS
from vcf_training.patch_variants import resampled
from vcf_training.phantom import render, sample
from vcf_training.reference import analyze
from vcf_training.search import CHANGES
from vcf_training.served import Member

pytestmark = pytest.mark.slow
needs_server = pytest.mark.skipif(
    find_spec("pytriton") is None, reason="the Triton server is not installed (nvidia-pytriton)"
)
SEEDS = (910_001, 910_002)
AGGREGATION = dict(zip(ENSEMBLES, [one for one in AGGREGATIONS if one.smoothing != WIDE_SMOOTHING], strict=True))
"""Each ensemble has one of its own: both orders, with and without smoothing."""
Call = Callable[[dict[str, np.ndarray]], list[np.ndarray]]


def test_the_ensembles_here_hold_everything_that_training_makes() -> None:
    kinds = [kind for ensemble in ENSEMBLES.values() for kind in ensemble]
    assert {name for name, _ in kinds} == set(VARIANTS)
    assert {len(ensemble) for ensemble in ENSEMBLES.values()} == {1, 3, 5}
    patches = {patch for _, patch in kinds}
    assert {patch.grid for patch in patches} == {(32, 32, 32), (16, 16, 16), (32, 24, 24)}
    assert len({patch.box_mm for patch in patches}) == 2 and len({patch.window_hu for patch in patches}) == 3
    assert {(a.order, a.smoothing is None) for a in AGGREGATION.values()} == {
        (order, smoothed) for order in ("patches", "scores") for smoothed in (True, False)
    }


def trained(kinds: Sequence[Kind]) -> list[Member]:
    """Train a member of each kind for some steps, from weights whose answers can be told apart."""
    found = []
    for start in members(kinds):
        preset = replace(
            MEMBER, architecture=start.architecture, patch=start.patch, steps=3, evaluate_every=3, anatomy_weight=0.0
        )
        learnt, judged = (resampled(served_studies(count, count), start.patch) for count in (6, 4))
        networks = start.encoder, start.head
        result = training.train(learnt, judged, preset, member=start.name, seed=1, start=networks)
        assert all(moved(before, after) for before, after in zip(networks, (result.encoder, result.head), strict=True))
        found.append(replace(start, encoder=result.encoder, head=result.head))
    return found


def moved(before: Any, after: Any) -> bool:
    """Tell whether training has changed a network; the max filter alone has nothing to learn."""
    pairs = list(zip(before.get_weights(), after.get_weights(), strict=True))
    return not pairs or any(not np.array_equal(one, other) for one, other in pairs)


@dataclass(frozen=True)
class Made:
    """A folder of weights and the repository that was made of it."""

    name: str
    weights: Path
    repository: Path


@pytest.fixture(scope="module", params=ENSEMBLES)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """By ``vcf export all``. Of int8 only that it is made: its patches are noise, no real CTs."""
    folder = tmp_path_factory.mktemp(request.param)
    weights, target = folder / "weights", folder / "repository"
    ensemble = trained(ENSEMBLES[request.param])
    save(weights, ensemble, AGGREGATION[request.param], threshold=0.25)
    noise = np.random.default_rng(0).random((4, *PATCHES.shape[1:]), np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibration, "real_patches", lambda **_: noise)
        assert main(["export", "all", "--weights", str(weights), "--out", str(target)]) == 0
    return Made(request.param, weights, target)


@pytest.fixture(scope="module")
def volumes() -> list[Volume]:
    """Trunks, coarse so that they render quickly."""
    of_all = [sample(seed, fracture_probability=1.0) for seed in SEEDS]
    return [render(one, spacing_mm=(3.0, 1.5, 1.5), region="body").volume for one in of_all]


def test_a_repository_is_whole(made: Made) -> None:
    assert differing(made.repository) == []
    for form in (CPU, CPU_INT8):
        files = repository.network_files(made.repository, form)
        assert passport.problems(made.repository, files) == {}
    known = exported_shapes(made.repository)
    loaded = store.load_networks(made.weights)
    width = 2 * sum(one.features for one in loaded.members)
    assert known[PATCH_ENCODER.name, "features"] == (width,)
    assert known[SEQUENCE_HEAD.name, "features"] == (-1, width)
    assert known[SEQUENCE_HEAD.name, "patch_probability"] == (len(loaded.members), 2, -1)


@pytest.fixture
def client(made: Made) -> Iterator[VcfClient]:
    from vcf_server.server import TritonServer

    with TritonServer(made.repository) as server, VcfClient(server.grpc_url) as client:
        yield client


@pytest.mark.server
@needs_server
def test_served_scores_are_those_of_keras(made: Made, client: VcfClient, volumes: list[Volume]) -> None:
    networks = store.load_networks(made.weights)
    assert networks.aggregation == AGGREGATION[made.name]
    found = [client.analyze(Study(volume, "phantom")) for volume in volumes]
    for volume, findings in zip(volumes, found, strict=True):
        compare(findings, analyze(volume, networks))
        assert findings.threshold == 0.25
    assert abs(found[0].study_score - found[1].study_score) > 100 * FP32_TOLERANCE
    # Any other choice of aggregation would have been noticed.
    right, *wrong = (
        analyze(volumes[0], replace(networks, aggregation=aggregation))
        for aggregation in sorted(AGGREGATIONS, key=lambda aggregation: aggregation != networks.aggregation)
    )
    for other in wrong:
        of_patches = np.abs(other.patch_scores - right.patch_scores).max()
        assert max(of_patches, abs(other.study_score - right.study_score)) > 10 * FP32_TOLERANCE


def compare(findings: Findings, expected: Any) -> None:
    """Every score within the parity checks' tolerance."""
    assert findings.study_score == pytest.approx(expected.study_score, abs=FP32_TOLERANCE)
    assert len(findings.patches) == len(expected.patch_scores) >= 2
    for name in ("score", "probability"):
        of_patches = expected.patch_scores if name == "score" else expected.patch_probabilities
        served_ones = [getattr(patch, name) for patch in findings.patches]
        np.testing.assert_allclose(served_ones, of_patches, atol=FP32_TOLERANCE)


def by_openvino(path: Path, model: Model) -> Call:
    run = runtimes._openvino(path, model, OPENVINO)
    return lambda feed: [np.asarray(value) for value in listed(run(feed))]


def by_onnxruntime(path: Path, model: Model) -> Call:
    run = runtimes._onnxruntime(path, model, dict(network_runtime(SEQUENCE_HEAD, CPU).parameters))
    return lambda feed: listed(run(feed))


def listed(outputs: Any) -> list[np.ndarray]:
    return outputs if isinstance(outputs, list) else [outputs]


RUNTIMES = {"OpenVINO": by_openvino, "ONNX Runtime": by_onnxruntime}
VIEWS = {"as served": PATCH} | {name: change["patch"] for name, change in CHANGES.items() if "patch" in change}


@pytest.mark.parametrize("name", VARIANTS)
def test_every_head_in_both_runtimes(name: str, tmp_path: Path) -> None:
    """OpenVINO has computed another LSTM than the one it was given, with a transposition before and after it."""
    one = member("a", name, seed=7)
    network = served.sequence_head([one])
    path = tmp_path / "model.onnx"
    path.write_bytes(to_onnx(network, SEQUENCE_HEAD).SerializeToString())
    rng = np.random.default_rng(1)
    for runtime in RUNTIMES.values():
        run = runtime(path, SEQUENCE_HEAD)
        for k in (5, 2, 32, 5):
            rows = rng.normal(size=(k, 2 * one.features)).astype(np.float32)
            location = np.sort(rng.random(k, np.float32))
            found = run({"features": rows, "location": location})
            for answer, expected in zip(found, network([rows, location]), strict=True):
                np.testing.assert_allclose(answer, np.asarray(expected), atol=FP32_TOLERANCE)


@pytest.mark.parametrize("variant", ["lstm", "shallow"])
@pytest.mark.parametrize("view", VIEWS)
def test_every_encoder_in_both_runtimes(variant: str, view: str, tmp_path: Path) -> None:
    one = member("a", variant, VIEWS[view], seed=8)
    network = served.patch_encoder([one])
    path = tmp_path / "model.onnx"
    path.write_bytes(to_onnx(network, PATCH_ENCODER).SerializeToString())
    coarse = np.random.default_rng(2).random((5, 8, 8, 8), np.float32)
    patches = coarse.repeat(4, 1).repeat(4, 2).repeat(4, 3)[..., None]
    for runtime in RUNTIMES.values():
        run = runtime(path, PATCH_ENCODER)
        for n in (2, 5, 1):
            expected = np.asarray(network(patches[:n]))
            (found,) = run({"patches": patches[:n]})
            np.testing.assert_allclose(found, expected, atol=FP32_TOLERANCE * max(1.0, float(expected.max())))
