# SPDX-License-Identifier: Apache-2.0
"""Slices whose damaged header names another series, at an end of a stack and elsewhere."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.clients.dicom import factory
from vcf_client.dicom.files import Source
from vcf_client.dicom.header import HeaderReader
from vcf_client.dicom.slices import Slice
from vcf_client.dicom.stack import Stack, build_stacks
from vcf_client.dicom.strays import has_stray
from vcf_contract.errors import Code


def read(folder: Path, slices: int = 30) -> list[Slice]:
    reader, found = HeaderReader(), []
    for number, ds in enumerate(factory.make_series(slices=slices)):
        one = reader.read(Source(factory.save(ds, folder / f"{number}.dcm")))
        assert isinstance(one, list)
        found += one
    return found


@pytest.fixture
def all_slices(tmp_path: Path) -> list[Slice]:
    return read(tmp_path)


def of_other(s: Slice, uid: str = "1.2.3") -> Slice:
    return replace(s, facts=replace(s.facts, series_uid=uid))


def stack_of(slices: list[Slice]) -> Stack:
    (stack,) = build_stacks(slices)
    return stack


def test_a_whole_series_has_none(all_slices: list[Slice]) -> None:
    assert not has_stray(stack_of(all_slices), all_slices)


@pytest.mark.parametrize("end", [0, -1])
def test_the_next_slice_of_hardly_another_series(all_slices: list[Slice], end: int) -> None:
    stack = stack_of(all_slices[1:] if end == 0 else all_slices[:-1])
    stray = of_other(all_slices[end])
    assert has_stray(stack, [*(s for s in stack.slices if s), stray])


@pytest.mark.parametrize("many", [2, 3])
def test_three_images_are_a_series_of_their_own(all_slices: list[Slice], many: int) -> None:
    rest = all_slices[:-many]
    others = [of_other(s) for s in all_slices[-many:]]
    assert has_stray(stack_of(rest), [*rest, *others]) is (many == 2)


@pytest.mark.parametrize(
    ("place", "is_one"), [((0.0, 0.0, 0.0), True), ((0.0, 0.0, 5.0), False), ((3.0, 0.0, 0.0), False)]
)
def test_an_image_elsewhere_is_none(all_slices: list[Slice], place: tuple[float, ...], is_one: bool) -> None:
    *rest, last = all_slices
    assert last.position_mm is not None
    moved = replace(of_other(last), position_mm=tuple(a + b for a, b in zip(last.position_mm, place, strict=True)))  # type: ignore[arg-type]
    assert has_stray(stack_of(rest), [*rest, moved]) is is_one


def test_a_picture_that_does_not_say_where_it_lies(all_slices: list[Slice]) -> None:
    lost = replace(of_other(all_slices[3]), position_mm=None)
    assert has_stray(stack_of(all_slices), [*all_slices, lost])


def test_a_localizer_that_does_not_say_where_it_lies_is_none(all_slices: list[Slice]) -> None:
    lost = replace(of_other(all_slices[3]), position_mm=None)
    lost = replace(lost, facts=replace(lost.facts, image_type=("ORIGINAL", "PRIMARY", "LOCALIZER")))
    assert not has_stray(stack_of(all_slices), [*all_slices, lost])


def test_a_damaged_slice_of_the_same_series(all_slices: list[Slice]) -> None:
    *rest, last = all_slices
    assert has_stray(stack_of(rest), [*rest, replace(last, damage=Code.TRUNCATED)])
