# SPDX-License-Identifier: Apache-2.0
"""Enhanced CT: the frames of one file with what their functional groups say (DICOM PS3.3 section C.7.6.16)."""

from dataclasses import replace

from clients.dicom.elements import Elements
from clients.dicom.slices import Facts, Slice
from clients.dicom.tags import Tag


def frames_of(first: Slice, elements: Elements) -> list[Slice] | None:
    """A slice for each frame of an enhanced file; None where the file has no functional groups.

    A group that a frame lacks is taken from the shared ones.
    """
    per_frame = list(elements.items(Tag.FRAME_GROUPS))
    if not per_frame and Tag.SHARED_GROUPS not in elements:
        return None
    shared = elements.item(Tag.SHARED_GROUPS)
    facts_seen: dict[tuple[str, ...], Facts] = {}
    slices = []
    for index, own in enumerate(per_frame[: first.frames]):
        groups = _Groups(own, shared)
        slices.append(_frame(replace(first, facts=_frame_facts(first.facts, groups, facts_seen)), index, groups))
    return slices or None


class _Groups:
    """The functional groups of a frame, its own before the shared ones."""

    def __init__(self, own: Elements, shared: Elements) -> None:
        self._own, self._shared = own, shared

    def __call__(self, tag: Tag) -> Elements:
        return (self._own if tag in self._own else self._shared).item(tag)


def _frame_facts(facts: Facts, groups: _Groups, seen: dict[tuple[str, ...], Facts]) -> Facts:
    """The file's facts with those of the frame; equal frames share one object."""
    frame_type = groups(Tag.CT_FRAME_TYPE)
    types = tuple(t.upper() for t in frame_type.texts(Tag.FRAME_TYPE)) or facts.image_type
    technique = frame_type.text(Tag.VOLUME_TECHNIQUE).upper()
    kernel = (groups(Tag.CT_RECONSTRUCTION).texts(Tag.KERNEL) or (facts.kernel,))[0]
    key = (*types, technique, kernel)
    if key not in seen:
        if technique not in ("", "NONE") and technique not in types:
            types = (*types, technique)
        seen[key] = replace(facts, image_type=types, kernel=kernel)
    return seen[key]


def _frame(first: Slice, index: int, groups: _Groups) -> Slice:
    measures, transformation = groups(Tag.PIXEL_MEASURES), groups(Tag.PIXEL_TRANSFORMATION)
    content = groups(Tag.FRAME_CONTENT)
    return replace(
        first,
        frame=index,
        sop_uid=f"{first.sop_uid}#{index}",
        position_mm=groups(Tag.PLANE_POSITION).position_mm(Tag.POSITION),
        orientation=groups(Tag.PLANE_ORIENTATION).numbers(Tag.ORIENTATION),
        pixel_spacing_mm=measures.spacing_mm(Tag.PIXEL_SPACING),
        thickness_mm=measures.number(Tag.THICKNESS),
        slope=transformation.number(Tag.SLOPE),
        intercept=transformation.number(Tag.INTERCEPT),
        rescale_type=transformation.text(Tag.RESCALE_TYPE).upper(),
        acquisition=content.unsigned(Tag.FRAME_ACQUISITION),
        temporal=content.unsigned(Tag.TEMPORAL_INDEX),
    )
