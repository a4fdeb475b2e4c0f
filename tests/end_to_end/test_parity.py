# SPDX-License-Identifier: Apache-2.0
"""The shipped system as a whole: what the server answers is what the Keras models say in one process."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from vcf_client import VcfClient
from vcf_client.study import Study
from vcf_training.phantom import Phantom, render, sample

pytest.importorskip("tensorflow", reason="the reference is the Keras models themselves")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.server,
    pytest.mark.skipif(find_spec("pytriton") is None, reason="the Triton server is not installed (nvidia-pytriton)"),
]
SEEDS = (910_001, 910_002)


@pytest.fixture(scope="module")
def client() -> Iterator[VcfClient]:
    """Of a server with the shipped weights."""
    from vcf_server.assets import MODEL_REPOSITORY
    from vcf_server.server import TritonServer

    with TritonServer(MODEL_REPOSITORY) as server, VcfClient(server.grpc_url) as client:
        yield client


@pytest.fixture(scope="module", params=SEEDS)
def phantom(request: pytest.FixtureRequest) -> Phantom:
    """A whole body, coarse so that it renders quickly."""
    return render(sample(request.param, fracture_probability=1.0), spacing_mm=(2.5, 1.0, 1.0), region="body")


def test_served_scores_are_those_of_keras_in_one_process(client: VcfClient, phantom: Phantom) -> None:
    from vcf_training.reference import analyze
    from vcf_training.store import load_networks

    volume = phantom.volume
    served = client.analyze(Study(volume, "phantom"))
    reference = analyze(volume, load_networks())
    assert served.study_score == pytest.approx(reference.study_score, abs=1e-3)
    np.testing.assert_allclose([p.score for p in served.patches], reference.patch_scores, atol=1e-3)


def test_the_centre_line_of_a_phantom_is_in_its_canal(client: VcfClient, phantom: Phantom) -> None:
    volume = phantom.volume
    line = np.array(client.analyze(Study(volume, "phantom")).centre_line_mm)
    slices = np.rint((line[:, 2] - volume.affine[2, 3]) / volume.spacing_mm[0]).astype(int)
    z_mm = slices * volume.spacing_mm[0]
    truth = volume.to_lps_mm(np.column_stack([phantom.centre_line_mm[slices], z_mm]))
    off_mm = np.hypot(*(line - truth)[:, :2].T)
    assert np.median(off_mm) < 5
    assert (off_mm < 10).mean() > 0.9


@pytest.mark.parametrize("cut", [(0, 7), (9, 0), (5, 12)])
def test_a_shorter_scan_is_cut_into_the_same_patches(client: VcfClient, phantom: Phantom, cut: tuple[int, int]) -> None:
    """Slices left out at the ends: but for the ends, patches lie where they lay, and are judged much as they were."""
    volume = phantom.volume
    part = volume.part(cut[0], len(volume.hu) - cut[1])
    whole, less = (client.analyze(Study(one, "phantom")) for one in (volume, part))
    places = np.array([patch.box_mm[0][2] for patch in whole.patches])
    moved = []
    for patch in less.patches[1:-1]:
        nearest = int(np.abs(places - patch.box_mm[0][2]).argmin())
        assert abs(places[nearest] - patch.box_mm[0][2]) < 1e-2
        moved.append(abs(whole.patches[nearest].probability - patch.probability))
    assert len(moved) >= 5
    assert np.median(moved) < 0.05


def test_a_volume_without_a_spine_is_refused(client: VcfClient, phantom: Phantom) -> None:
    from vcf_contract.errors import Code, StudyRefused
    from vcf_preprocess.geometry import Volume

    noise = np.random.default_rng(0).normal(-1000, 10, phantom.volume.hu.shape).astype(np.int16)
    with pytest.raises(StudyRefused) as refused:
        client.analyze(Study(Volume(noise, phantom.volume.spacing_mm, phantom.volume.affine), "noise"))
    assert refused.value.code is Code.SPINE_NOT_FOUND


def test_a_dicom_series_goes_all_the_way(client: VcfClient, phantom: Phantom, tmp_path: Path) -> None:
    """The same phantom as files, prone and in reverse order, gives the same findings in patient coordinates."""
    from vcf_training.phantom.dicom import write_series

    write_series(phantom, tmp_path / "study", position="HFP", reverse=True)
    direct = client.analyze(Study(phantom.volume, "phantom"))
    from_files = client.analyze(tmp_path / "study")
    assert from_files.study_score == pytest.approx(direct.study_score, abs=1e-3)
    assert len(from_files.patches) == len(direct.patches)
