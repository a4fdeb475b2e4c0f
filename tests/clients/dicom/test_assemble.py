# SPDX-License-Identifier: Apache-2.0
"""A stack becomes a volume: with gaps filled, a tilt taken out, empty ends left out, and each of them said."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from tests.clients.dicom import factory
from vcf_client.dicom.assemble import assemble
from vcf_client.dicom.files import Source
from vcf_client.dicom.header import HeaderReader
from vcf_client.dicom.slices import Slice
from vcf_client.dicom.stack import Stack, build_stacks
from vcf_contract.errors import Code, StudyRefused


def stack_of(folder: Path, series: list[Dataset]) -> Stack:
    reader, slices = HeaderReader(), []
    for number, ds in enumerate(series):
        read = reader.read(Source(factory.save(ds, folder / f"{number:03d}.dcm")))
        assert isinstance(read, list)
        slices += read
    (stack,) = build_stacks(slices)
    return stack


def code_of(stack: Stack) -> Code:
    with pytest.raises(StudyRefused) as refused:
        assemble(stack)
    return refused.value.code


def cut(folder: Path, *numbers: int) -> None:
    """End files in the middle of their pixels."""
    for number in numbers:
        path = folder / f"{number:03d}.dcm"
        path.write_bytes(path.read_bytes()[:-3000])


def off(volume: Any, affine: NDArray[Any]) -> float:
    return float(np.abs(volume - factory.at_voxels(affine, volume.shape)).max())


def test_a_whole_stack_is_the_body(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    volume, flags = assemble(stack_of(tmp_path, factory.make_series()), lambda done, total: seen.append((done, total)))
    assert off(volume.hu, volume.affine) <= 0.5 and flags == ()
    assert volume.hu.shape[0] == 30 and seen[-1] == (30, 30)


def test_a_slice_that_is_cut_off_is_filled_and_said(tmp_path: Path) -> None:
    stack = stack_of(tmp_path, factory.make_series())
    cut(tmp_path, 12)
    volume, flags = assemble(stack)
    assert off(volume.hu, volume.affine) <= 1 and set(flags) == {Code.TRUNCATED, Code.SLICES_FILLED}


def test_more_than_may_be_filled_are_refused(tmp_path: Path) -> None:
    stack = stack_of(tmp_path, factory.make_series())
    cut(tmp_path, 3, 12, 20)
    assert code_of(stack) == Code.TRUNCATED


@pytest.mark.parametrize("ends", [(0,), (29,), (0, 1)])
def test_ends_that_cannot_be_read_are_left_out(tmp_path: Path, ends: tuple[int, ...]) -> None:
    stack = stack_of(tmp_path, factory.make_series())
    cut(tmp_path, *ends)
    volume, flags = assemble(stack)
    assert volume.hu.shape[0] == 30 - len(ends) and off(volume.hu, volume.affine) <= 0.5
    assert Code.TRUNCATED in flags and Code.SLICES_FILLED not in flags


def test_ends_that_show_no_body_are_left_out_and_said(tmp_path: Path) -> None:
    series = factory.make_series(slices=36)
    for ds in series[:3]:
        factory.set_pixels(ds, np.full((ds.Rows, ds.Columns), 24))
    volume, flags = assemble(stack_of(tmp_path, series))
    assert volume.hu.shape[0] == 33 and off(volume.hu, volume.affine) <= 0.5
    assert flags == (Code.BLANK_SLICES,)


def test_no_body_long_enough_is_refused(tmp_path: Path) -> None:
    series = factory.make_series(slices=36)
    for ds in series[:20]:
        factory.set_pixels(ds, np.full((ds.Rows, ds.Columns), 24))
    assert code_of(stack_of(tmp_path, series)) == Code.TOO_SHORT


def test_values_that_are_no_hounsfield_units_are_refused(tmp_path: Path) -> None:
    assert code_of(stack_of(tmp_path, factory.make_series(RescaleIntercept=-200))) == Code.BAD_HU


def test_a_missing_slice_of_the_stack_is_filled(tmp_path: Path) -> None:
    series = factory.make_series()
    del series[7]
    stack = stack_of(tmp_path, series)
    assert [s is None for s in stack.slices].count(True) == 1
    volume, flags = assemble(stack)
    assert off(volume.hu, volume.affine) <= 1 and flags == (Code.SLICES_FILLED,)


def test_every_slice_keeps_its_place(tmp_path: Path) -> None:
    """Of a stack whose files are in no order, the volume's first slice is the lowest."""
    series: list[Dataset] = factory.make_series()[::-1]
    slices: tuple[Slice | None, ...] = stack_of(tmp_path, series).slices
    heights = [s.position_mm[2] for s in slices if s and s.position_mm]
    assert heights == sorted(heights)
