# SPDX-License-Identifier: Apache-2.0
"""The choice of the series to analyse: every one is checked by its headers, the usable ones are put in order."""

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass, field

import numpy as np

from vcf_client.acceptance import age_flags, refuse_too_big, refuse_too_short, thickness_flags
from vcf_client.dicom import exclusions
from vcf_client.dicom.privacy import keyed_hash
from vcf_client.dicom.slices import Facts, Slice
from vcf_client.dicom.stack import Stack, build_stacks
from vcf_client.hounsfield import refuse_coarse
from vcf_contract.errors import Code, StudyRefused

_SAME_COVERAGE = 0.9
"""Scans within a tenth of the longest are alike in what they show; kernel and thickness decide between them."""
_THIN_ENOUGH_MM = 1.0


@dataclass
class Candidate:
    """A series, or one acquisition of it: usable with a stack, otherwise refused.

    kind_fits
        It is CT of a kind that could have been analysed; its refusal says more than that of a localizer.
    """

    name: str
    series_id: str
    slices: int
    stack: Stack | None = None
    flags: tuple[Code, ...] = ()
    refusal: StudyRefused | None = None
    kind_fits: bool = True

    @property
    def label(self) -> str:
        """Tell how sentences call it."""
        return f"{self.name} (id {self.series_id}, {self.slices} slice{'s' * (self.slices != 1)})"


@dataclass
class _Series:
    name: str
    slices: list[Slice] = field(default_factory=list)


def candidates(slices: Sequence[Slice], age_policy: str) -> list[Candidate]:
    """Return every series among the slices, numbered as they came, with its stack or its refusal."""
    series: dict[str, _Series] = {}
    for s in slices:
        uid = s.facts.series_uid
        series.setdefault(uid, _Series(f"series {len(series) + 1}")).slices.append(s)
    pet_frames = {s.facts.frame_of_reference for s in slices if s.facts.modality == exclusions.PET_MODALITY} - {""}
    return [c for uid, one in series.items() for c in _assess(uid, one, pet_frames, age_policy)]


def in_order(found: Sequence[Candidate]) -> list[Candidate]:
    """The usable ones, best first: as long as the longest, soft kernel, thin slices (under 1 mm no thinner helps)."""
    usable = [c for c in found if c.stack is not None]
    longest = max((c.stack.coverage_mm for c in usable if c.stack), default=0.0)

    def rank(c: Candidate) -> tuple[bool, bool, float, float, float]:
        assert c.stack is not None
        short = c.stack.coverage_mm < _SAME_COVERAGE * longest
        sharp = exclusions.is_sharp(c.stack.some.facts.kernel)
        thickness = max(c.stack.spacing_mm, c.stack.some.thickness_mm or 0.0, _THIN_ENOUGH_MM)
        spare = min(c.stack.spacing_mm, _THIN_ENOUGH_MM)  # of two thin ones the smaller volume
        return short, sharp, round(thickness, 2), -round(spare, 2), -c.stack.coverage_mm

    return sorted(usable, key=rank)


def refuse_several_studies(usable: Sequence[Candidate]) -> None:
    """Raise StudyRefused where the choice would be between patients, or between the times of one patient."""
    facts = [c.stack.some.facts for c in usable if c.stack]
    for name, number in (
        ("patients", len({f.patient for f in facts})),
        ("studies", len({f.study_uid for f in facts})),
    ):
        if number > 1:
            raise StudyRefused(Code.MIXED_SERIES, f"usable series of {number} {name} were found; one study is accepted")


def most_specific_refusal(found: Sequence[Candidate]) -> Candidate:
    """The refused candidate whose refusal is passed on: CT before anything else, then the largest."""
    return max(found, key=lambda c: (c.kind_fits, c.slices))


def _assess(uid: str, series: _Series, pet_frames: set[str], age_policy: str) -> list[Candidate]:
    base = Candidate(series.name, keyed_hash(uid), len(series.slices))
    base.kind_fits = False
    try:
        slices = _of_ct_kind(series.slices)
        base.kind_fits = True
        slices, flags = _whole(slices)
        first = slices[0].facts
        _refuse_mixture(slices)
        kinds = dict.fromkeys(s.facts for s in slices)
        for facts in kinds:
            exclusions.refuse_format(facts)
        exclusions.refuse_purpose(first, bool(pet_frames & {f.frame_of_reference for f in kinds}))
        slices, doubles = _without_doubles(slices)
        flags += (*doubles, *_header_flags(kinds), *age_flags(first.age_years, age_policy))
        stacks = build_stacks(slices)
    except StudyRefused as refusal:
        base.refusal = refusal.with_traceback(None)
        return [base]
    parts = []
    for number, stack in enumerate(stacks, 1):
        name = f"{series.name}, acquisition {number}" if len(stacks) > 1 else series.name
        part = Candidate(name, base.series_id, sum(s is not None for s in stack.slices))
        try:
            part.flags = flags + _check_stack(stack)
            part.stack = stack
        except StudyRefused as refusal:
            part.refusal = refusal.with_traceback(None)
        parts.append(part)
    return parts


def _of_ct_kind(slices: Sequence[Slice]) -> list[Slice]:
    """The slices of a kind that is analysed: a series may carry its own localizer or a dose page along."""
    refusals: dict[Facts, StudyRefused | None] = {}
    for facts in dict.fromkeys(s.facts for s in slices):
        try:
            exclusions.refuse_kind(facts)
            refusals[facts] = None
        except StudyRefused as refusal:
            refusals[facts] = refusal.with_traceback(None)
    kept = [s for s in slices if refusals[s.facts] is None]
    if not kept:
        raise next(r for r in refusals.values() if r is not None)
    return kept


def _whole(slices: Sequence[Slice]) -> tuple[list[Slice], tuple[Code, ...]]:
    """The slices that can be read and placed; whether the rest leaves a gap, the geometry finds out."""
    whole = [s for s in slices if s.damage is None and s.has_geometry]
    if whole:
        return whole, () if len(whole) == len(slices) else (Code.TRUNCATED,)
    damages = {s.damage for s in slices}
    if Code.UNSUPPORTED_SOP in damages:
        raise StudyRefused(
            Code.UNSUPPORTED_SOP, "several frames without functional groups; enhanced or single-frame CT is accepted"
        )
    if Code.TRUNCATED in damages:
        raise StudyRefused(
            Code.TRUNCATED, "the files end before their pixels do, or hold none; whole files are accepted"
        )
    raise StudyRefused(
        Code.NO_GEOMETRY,
        "position, orientation or pixel spacing is missing or no number; all three are needed for every slice",
    )


def _without_doubles(slices: Sequence[Slice]) -> tuple[list[Slice], tuple[Code, ...]]:
    """Copies of one instance dropped: the same identifier at the same position. Elsewhere it is another image."""
    once = list({(s.sop_uid or i, s.position_mm): s for i, s in reversed(list(enumerate(slices)))}.values())[::-1]
    flags = [Code.DUPLICATE_POSITION] if len(once) < len(slices) else []
    named = [s.sop_uid for s in once if s.sop_uid]
    if len(set(named)) < len(named):
        flags.append(Code.REPEATED_UIDS)
    return once, tuple(flags)


def _refuse_mixture(slices: Sequence[Slice]) -> None:
    """Raise StudyRefused where one stack cannot be made of the slices, or must not."""
    checks: dict[str, set[Hashable]] = {
        "patients": {s.facts.patient for s in slices},
        "studies": {s.facts.study_uid for s in slices},
        "matrix sizes": {(s.facts.rows, s.facts.columns) for s in slices},
        "kernels": {s.facts.kernel for s in slices},
    }
    for name, values in checks.items():
        if len(values) > 1:
            raise StudyRefused(Code.MIXED_SERIES, f"{len(values)} different {name} in one series; one is accepted")
    _refuse_spread("pixel spacings", [s.pixel_spacing_mm or () for s in slices], 1e-3)
    _refuse_spread("orientations", [s.orientation for s in slices], 1e-2)


def _refuse_spread(name: str, values: Sequence[tuple[float, ...]], tolerance: float) -> None:
    spread = float(np.ptp(np.array(values), axis=0).max())
    if spread > tolerance:
        raise StudyRefused(
            Code.MIXED_SERIES, f"{name} in one series differ by {spread:.3f}; up to {tolerance:g} is accepted"
        )


def _header_flags(facts: Collection[Facts]) -> tuple[Code, ...]:
    flags = {
        Code.FRAMES_DIFFER: len({f.frame_of_reference for f in facts}) > 1,
        Code.LOSSY: any(f.lossy for f in facts),
        Code.LUNG_WINDOW: any(f.lung_window for f in facts),
    }
    return tuple(code for code, is_so in flags.items() if is_so)


def _check_stack(stack: Stack) -> tuple[Code, ...]:
    """Flags of a stack; StudyRefused where its size or its values are not accepted."""
    slices = [s for s in stack.slices if s is not None]
    facts, spacing = slices[0].facts, slices[0].pixel_spacing_mm
    assert spacing is not None
    thickest = max(s.thickness_mm or 0.0 for s in slices)
    flags = thickness_flags(max(thickest, stack.spacing_mm)) if len(slices) > 1 else ()
    refuse_too_short(stack.coverage_mm)
    exclusions.refuse_small_field(max(facts.rows * spacing[0], facts.columns * spacing[1]))
    refuse_too_big(len(stack.slices), facts.rows, facts.columns)
    for s in slices:
        if s.slope is None or s.intercept is None or s.slope == 0:
            raise StudyRefused(
                Code.NO_RESCALE, "rescale slope or intercept is missing or zero; both are needed for Hounsfield units"
            )
        exclusions.refuse_units(s.rescale_type)
        refuse_coarse(s.slope)
    if len({(s.slope, s.intercept, s.rescale_type, s.padding, *_format(s.facts)) for s in slices}) > 1:
        flags = (*flags, Code.RESCALE_DIFFERS)
    return (*flags, *((Code.DUPLICATE_POSITION,) if stack.split else ()))


def _format(facts: Facts) -> tuple[Hashable, ...]:
    return facts.bits_allocated, facts.bits_stored, facts.high_bit, facts.signed
