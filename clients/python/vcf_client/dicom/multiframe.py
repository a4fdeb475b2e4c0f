# SPDX-License-Identifier: Apache-2.0
"""Enhanced CT: the frames of one file with what their functional groups say (DICOM PS3.3 section C.7.6.16)."""

from dataclasses import replace

from vcf_client.dicom.elements import Elements
from vcf_client.dicom.slices import Facts, Slice
from vcf_client.dicom.tags import Tag


def frames_of(first: Slice, elements: Elements) -> list[Slice] | None:
    """A slice for each frame of an enhanced file; None where the file has no functional groups.

    A group that a frame lacks is taken from the shared ones.
    """
    per_frame = list(elements.items(Tag.PerFrameFunctionalGroupsSequence))
    if not per_frame and Tag.SharedFunctionalGroupsSequence not in elements:
        return None
    shared = elements.item(Tag.SharedFunctionalGroupsSequence)
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
    frame_type = groups(Tag.CTImageFrameTypeSequence)
    types = tuple(t.upper() for t in frame_type.texts(Tag.FrameType)) or facts.image_type
    technique = frame_type.text(Tag.VolumeBasedCalculationTechnique).upper()
    kernel = (groups(Tag.CTReconstructionSequence).texts(Tag.ConvolutionKernel) or (facts.kernel,))[0]
    key = (*types, technique, kernel)
    if key not in seen:
        if technique not in ("", "NONE") and technique not in types:
            types = (*types, technique)
        seen[key] = replace(facts, image_type=types, kernel=kernel)
    return seen[key]


def _frame(first: Slice, index: int, groups: _Groups) -> Slice:
    measures, transformation = groups(Tag.PixelMeasuresSequence), groups(Tag.PixelValueTransformationSequence)
    content = groups(Tag.FrameContentSequence)
    return replace(
        first,
        frame=index,
        sop_uid=f"{first.sop_uid}#{index}",
        position_mm=groups(Tag.PlanePositionSequence).position_mm(Tag.ImagePositionPatient),
        orientation=groups(Tag.PlaneOrientationSequence).numbers(Tag.ImageOrientationPatient),
        pixel_spacing_mm=measures.spacing_mm(Tag.PixelSpacing),
        thickness_mm=measures.number(Tag.SliceThickness),
        slope=transformation.number(Tag.RescaleSlope),
        intercept=transformation.number(Tag.RescaleIntercept),
        rescale_type=transformation.text(Tag.RescaleType).upper(),
        acquisition=content.unsigned(Tag.FrameAcquisitionNumber),
        temporal=content.unsigned(Tag.TemporalPositionIndex),
    )
