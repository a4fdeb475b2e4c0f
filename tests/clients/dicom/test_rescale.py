# SPDX-License-Identifier: Apache-2.0
"""Stored values to HU, compared with the formula of PS3.3 C.11.1 in whole numbers of Python."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.clients.dicom import factory
from vcf_client.dicom.files import Source
from vcf_client.dicom.header import HeaderReader
from vcf_client.dicom.rescale import sample_of, significant_bits, to_hu
from vcf_client.dicom.slices import Slice
from vcf_client.hounsfield import HIGHEST_HU, LOWEST_HU


@pytest.fixture
def usual(tmp_path: Path) -> Slice:
    (ds,) = factory.make_series(slices=1)
    read = HeaderReader().read(Source(factory.save(ds, tmp_path / "a.dcm")))
    assert isinstance(read, list)
    return read[0]


def bits(s: Slice, **facts: Any) -> Slice:
    return replace(s, facts=replace(s.facts, **facts))


def by_formula(stored: NDArray[Any], slope: float, intercept: float) -> list[int]:
    return [min(max(round(int(v) * slope + intercept), LOWEST_HU), HIGHEST_HU) for v in stored.ravel()]


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32])
@pytest.mark.parametrize(
    ("slope", "intercept"), [(1, -1024), (1, 0), (1, 500), (1, -1024.5), (0.25, -1000), (2, -8192)]
)
def test_every_type_and_rescale(usual: Slice, dtype: Any, slope: float, intercept: float) -> None:
    """Whole halves may be rounded either way."""
    info = np.iinfo(dtype)
    ends = [info.min, info.max] if info.bits < 16 else [max(info.min, -30_000), min(info.max, 32_767)]
    stored = np.linspace(*ends, 400).astype(dtype).reshape(20, 20)
    out = np.empty(stored.shape, np.int16)
    to_hu(stored, replace(usual, slope=slope, intercept=float(intercept), padding=None), out)
    assert (
        np.abs(out.ravel() - np.array(by_formula(stored, slope, intercept))).max() <= (slope % 1 or intercept % 1) * 2
    )


def test_in_place(usual: Slice) -> None:
    stored = np.arange(0, 4000, 10, dtype=np.uint16).reshape(20, 20)
    expected = by_formula(stored, 1, -1024)
    out = stored.view(np.int16)
    to_hu(stored, replace(usual, intercept=-1024.0), out)
    assert out.ravel().tolist() == expected


@pytest.mark.parametrize(
    ("form", "stored", "kept"),
    [
        ({"bits_stored": 12, "high_bit": 11}, 0xF123, 0x0123),  # an overlay in the highest bits
        ({"bits_stored": 12, "high_bit": 15}, 0x1230, 0x0123),
        ({"bits_stored": 12, "high_bit": 13}, 0xC48F, 0x0123),
        ({"bits_stored": 16, "high_bit": 15}, 0xF123, 0xF123),
        ({"bits_stored": 12, "high_bit": 16}, 0xF123, 0xF123),  # impossible, and so left alone
        ({"bits_stored": 12, "high_bit": 5}, 0xF123, 0xF123),
        ({"bits_stored": 17, "high_bit": 15}, 0xF123, 0xF123),
    ],
)
def test_bits_beside_those_stored_are_dropped(usual: Slice, form: dict[str, int], stored: int, kept: int) -> None:
    found = significant_bits(np.full((2, 2), stored, np.uint16), bits(usual, signed=False, **form))
    assert found.tolist() == [[kept] * 2] * 2


@pytest.mark.parametrize(("stored", "kept"), [(0x0FFF, -1), (0x0800, -2048), (0x07FF, 2047), (0x7001, 1)])
def test_the_sign_is_that_of_the_highest_stored_bit(usual: Slice, stored: int, kept: int) -> None:
    s = bits(usual, bits_stored=12, high_bit=11, signed=True)
    assert significant_bits(np.full((2, 2), stored, np.int16), s).tolist() == [[kept] * 2] * 2


def test_padding_keeps_bits_that_it_should_not_have(usual: Slice) -> None:
    """Scanners write −2000 in 16 bits into pictures of 12."""
    s = replace(bits(usual, bits_stored=12, high_bit=11, signed=True), padding=(-2000, -2000))
    stored = np.array([[-2000, 0x0FFF]], np.int16)
    assert significant_bits(stored, s).tolist() == [[-2000, -1]]


def test_padding_that_is_also_a_value_of_tissue_is_air_at_the_rim_alone(usual: Slice) -> None:
    stored = np.full((9, 9), 1100, np.uint16)
    stored[0, :] = stored[4, 4] = 1024  # 0 HU: the rim, and a voxel of water inside
    out = np.empty(stored.shape, np.int16)
    to_hu(stored, replace(usual, slope=1.0, intercept=-1024.0, padding=(1024, 1024)), out)
    assert (out[0] == LOWEST_HU).all() and out[4, 4] == 0


def test_a_sample_leaves_padding_out(usual: Slice) -> None:
    stored = np.full((60, 60), 1024, np.uint16)
    stored[::6, ::12] = 3000
    s = replace(usual, slope=1.0, intercept=-1024.0, padding=(3000, 3000))
    found = sample_of(stored, s)
    assert found.dtype == np.float32 and len(found) == 50 and not found.any()
