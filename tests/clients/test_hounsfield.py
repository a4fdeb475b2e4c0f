# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import dcmread

from vcf_client.hounsfield import has_metal, refuse_bad_hu, refuse_coarse
from vcf_contract.errors import Code, StudyRefused


def chest(rng: np.random.Generator, noise: float = 15.0) -> NDArray[np.float32]:
    """HU of a made-up chest: air, lung, fat, muscle, bone in credible shares."""
    parts = [(-1000, 4000), (-870, 2500), (-90, 2000), (50, 3500), (300, 500), (900, 60)]
    values = np.concatenate([np.full(n, hu, np.float32) for hu, n in parts])
    return (values + rng.normal(0, noise, values.size)).astype(np.float32)


def refused(values: NDArray[np.float32]) -> bool:
    try:
        refuse_bad_hu(values)
    except StudyRefused as refusal:
        assert refusal.code == Code.BAD_HU
        return True
    return False


@pytest.mark.parametrize("noise", [3, 15, 50])
def test_chest(noise: float) -> None:
    assert not refused(chest(np.random.default_rng(0), noise))


@pytest.mark.parametrize("padding", [-1500, -2000, -2048, -3024, -32768])
@pytest.mark.parametrize("jitter", [0, 4])
def test_padding_is_no_air(padding: int, jitter: int) -> None:
    rng = np.random.default_rng(1)
    ring = padding + rng.integers(-jitter, jitter + 1, 6000)
    assert not refused(np.concatenate([chest(rng), ring.astype(np.float32)]))


@pytest.mark.parametrize("slope", [0.1, 0.25, 0.5, 0.8, 1.25, 1.5, 2, 3, 4, 6, 10])
def test_scales_of_real_series(shared_data: Path, slope: float) -> None:
    """Whole slices, some with a ring of padding, some without: on no other scale do they look like HU."""
    for folder in sorted(path for path in (shared_data / "ct").iterdir() if len(list(path.iterdir())) > 40):
        slices = [dcmread(path) for path in sorted(folder.glob("*.dcm"))[::15] if path.stat().st_size > 10_000]
        hu = [ds.pixel_array[::4, ::4] * float(ds.RescaleSlope) + float(ds.RescaleIntercept) for ds in slices]
        values = np.concatenate([one.ravel() for one in hu]).astype(np.float32)
        assert not refused(values)
        assert refused(values * np.float32(slope)), folder.name


@pytest.mark.parametrize("padding", [-2000, -3024])
@pytest.mark.parametrize("jitter", [30, 90])
def test_padding_with_the_noise_of_compression_with_loss(padding: int, jitter: int) -> None:
    """As of a public CT in JPEG 2000; on another scale the same ring does not help."""
    rng = np.random.default_rng(1)
    ring = (padding + rng.normal(0, jitter, 6000)).astype(np.float32)
    values = chest(rng)
    assert not refused(np.concatenate([values, ring]))
    assert refused(np.concatenate([2 * values, ring]))
    assert refused(np.concatenate([values / 2, ring]))
    assert refused(np.concatenate([values + 300, ring]))


def test_padding_alone() -> None:
    assert refused(np.full(1000, -2000, np.float32))
    assert refused(np.full(1000, np.nan, np.float32))
    assert refused(np.empty(0, np.float32))


@pytest.mark.parametrize(
    ("slope", "offset"),
    [(1, 1024), (1, -1024), (1, 1000), (1, 300), (1, -300), (2, 0), (0.5, 0), (0.1, 0), (-1, 0), (10, 0), (0, 128)],
)
def test_wrong_scale(slope: float, offset: float) -> None:
    values = chest(np.random.default_rng(2))
    assert refused((values * slope + offset).astype(np.float32))
    ring = np.full(5000, -2000, np.float32)
    assert refused(np.concatenate([values * slope + offset, ring]).astype(np.float32))


def test_windowed_picture() -> None:
    windowed = np.clip((chest(np.random.default_rng(3)) + 160) / 400, 0, 1) * 255
    assert refused(windowed.astype(np.float32))


def test_abdomen_with_little_air() -> None:
    rng = np.random.default_rng(4)
    values = rng.normal(20, 70, 100_000)
    values[:300] = rng.normal(-980, 30, 300)
    assert not refused(values.astype(np.float32))


def test_no_air_at_all() -> None:
    assert refused(np.random.default_rng(5).normal(20, 70, 10_000).astype(np.float32)), "no bone either"


def test_real_slices(shared_data: Path) -> None:
    """Right as they are, wrong with the intercept left out or applied twice."""
    paths = sorted((shared_data / "ct").glob("*/*.dcm"))[::12]
    assert len(paths) > 8
    for path in paths:
        ds = dcmread(path)
        hu = (ds.pixel_array * float(ds.RescaleSlope) + float(ds.RescaleIntercept)).astype(np.float32)[::3, ::3]
        assert not refused(hu)
        assert refused(hu + 1024)
        assert refused(hu - 1024)
        assert refused(hu / 2)


def test_coarse_steps() -> None:
    refuse_coarse(2.0002)
    with pytest.raises(StudyRefused, match="32 HU"):
        refuse_coarse(-32.1)


def test_metal() -> None:
    hu = np.zeros((20, 40, 40), np.int16)
    assert not has_metal(hu, 1.0)
    hu[5, 10:12, :] = 3000
    assert not has_metal(hu, 1.0), "80 mm³ of calcification"
    hu[5:15, 10:20, 10:20] = 3000
    assert has_metal(hu, 1.0)
    assert not has_metal(hu, 0.1)
