# SPDX-License-Identifier: Apache-2.0
"""Drawing patients. Anatomy, fractures, body and scan have streams of their own, so one patient can be had twice."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.random import Generator

from vcf_training.phantom.anatomy import GRADED, LEVELS, level_size, mean_trabecular_hu
from vcf_training.phantom.fracture import Fracture, check_fractures, sample_fracture
from vcf_training.phantom.ranges import TRAINING_RANGES, Range, Ranges
from vcf_training.phantom.spec import Acquisition, BodySpec, Osteophyte, PhantomSpec, Posture, Schmorl, VertebraSpec

KINDS = {
    "chest": (("C6", "C7", "C7", "T1"), ("T12", "L1", "L1", "L2")),
    "abdomen": (("T7", "T8", "T9", "T10"), ("L5", "S1", "S2")),
    "both": (("C6", "C7", "T1"), ("L5", "S1", "S2")),
}
"""Highest and lowest levels that such a scan reaches."""

# Fractures cluster at the mid-thoracic spine and at the thoracolumbar junction.
_LEVEL_WEIGHT = {
    "T1": 0.3,
    "T2": 0.3,
    "T3": 0.4,
    "T7": 2.0,
    "T8": 2.2,
    "T6": 1.5,
    "T9": 1.3,
    "T11": 2.0,
    "T12": 3.5,
    "L1": 4.0,
    "L2": 2.4,
    "L3": 1.8,
}


def _between(rng: Generator, ends: Range) -> float:
    return float(rng.uniform(*ends))


def nominal_vertebra(level: str, scale: float = 1.0, trabecular_hu: float = 140.0) -> VertebraSpec:
    """The vertebra of the tables, enlarged."""
    size = level_size(level)
    return VertebraSpec(
        level=level,
        anterior_mm=size.height_mm * size.wedge * scale,
        posterior_mm=size.height_mm * scale,
        dish_mm=0.035 * size.height_mm * scale,
        width_mm=size.width_mm * scale,
        depth_mm=size.depth_mm * scale,
        canal_width_mm=size.canal_width_mm * scale,
        canal_depth_mm=size.canal_depth_mm * scale,
        pedicle_width_mm=size.pedicle_width_mm * scale,
        pedicle_height_mm=size.pedicle_height_mm * scale,
        spinous_mm=size.spinous_mm * scale,
        spinous_drop_mm=size.spinous_drop_mm * scale,
        transverse_mm=size.transverse_mm * scale,
        disc_mm=size.disc_mm * scale,
        trabecular_hu=trabecular_hu,
    )


def nominal(*, levels: tuple[str, str] = ("T1", "L5"), fractures: Mapping[str, Fracture] | None = None) -> PhantomSpec:
    """The mean patient of the tables with no scatter, blur or noise: the phantom that measurements are checked on."""
    vertebrae = tuple(
        replace(nominal_vertebra(level), fracture=(fractures or {}).get(level), endplate_mm=0.6) for level in LEVELS
    )
    return PhantomSpec(
        seed=0,
        age=70,
        sex="F",
        kind="both",
        levels=levels,
        margins_mm=(10.0, 10.0),
        posture=Posture(),
        vertebrae=vertebrae,
        body=BodySpec(),
        acquisition=Acquisition(blur_fwhm_mm=0.0, noise_hu=0.0),
    )


def _bone(rng: Generator, ranges: Ranges, age: int, sex: str, marrow_contrast_hu: float) -> list[VertebraSpec]:
    scale = _between(rng, ranges.scale) * (1.02 if sex == "M" else 0.97)
    density = mean_trabecular_hu(age) + _between(rng, ranges.density_offset_hu) + marrow_contrast_hu
    endplate_mm = _between(rng, ranges.endplate_mm)
    lean = rng.normal(0, 0.03, 6)  # how this patient's proportions differ from the mean
    disc_factor = _between(rng, ranges.disc_factor)
    drift = np.cumsum(rng.normal(0, 0.4 * ranges.height_scatter, len(LEVELS)))
    vertebrae = []
    for i, level in enumerate(LEVELS):
        v = nominal_vertebra(level, scale)
        height = (1 + lean[0]) * (1 + drift[i] - drift.mean() + rng.normal(0, 0.8 * ranges.height_scatter))
        wedge = v.anterior_mm / v.posterior_mm + rng.normal(0, ranges.wedge_scatter)
        if level in GRADED and rng.random() < ranges.strong_wedge_share:
            wedge = min(wedge, v.anterior_mm / v.posterior_mm * (1 - rng.uniform(0.08, 0.15)))
        wedge = max(wedge, 0.83)  # below it a reader would call a fracture
        posterior = v.posterior_mm * height
        degenerate = rng.random() < ranges.disc_degenerate_share * (1.5 if level in ("L3", "L4", "L5") else 0.7)
        lipped = ranges.osteophyte_share * (1.8 if degenerate else 1.0)
        osteophytes = [
            Osteophyte(side, float(rng.normal(0, 55)), _between(rng, ranges.osteophyte_mm))
            for side in (1, -1)
            if level in GRADED and rng.random() < lipped
        ]
        schmorl = []
        for side in (1, -1):
            if level in GRADED and rng.random() < ranges.schmorl_share:
                deepest = 0.3 * posterior
                schmorl.append(
                    Schmorl(
                        side,
                        float(rng.uniform(-0.2, 0.2) * v.width_mm),
                        float(rng.uniform(-0.1, 0.22) * v.depth_mm),
                        float(rng.uniform(2.5, 5.0)),
                        min(_between(rng, ranges.schmorl_depth_mm), deepest),
                    )
                )
        sclerosis = [rng.uniform(40, 170) if rng.random() < ranges.sclerosis_share else 0.0 for _ in range(2)]
        thoracic = 12 if level.startswith("T") else 0
        vertebrae.append(
            replace(
                v,
                anterior_mm=float(posterior * wedge),
                posterior_mm=float(posterior),
                dish_mm=_between(rng, ranges.concavity) * posterior,
                width_mm=v.width_mm * float(1 + lean[1] + rng.normal(0, 0.015)),
                depth_mm=v.depth_mm * float(1 + lean[2] + rng.normal(0, 0.015)),
                canal_width_mm=v.canal_width_mm * float(1 + lean[3] + rng.normal(0, 0.02)) / (scale**0.5),
                canal_depth_mm=v.canal_depth_mm * float(1 + lean[4] + rng.normal(0, 0.02)) / (scale**0.5),
                spinous_drop_mm=v.spinous_drop_mm * float(1 + 3 * lean[5] + rng.normal(0, 0.08)),
                disc_mm=v.disc_mm * disc_factor * float(rng.uniform(0.4, 0.7) if degenerate else rng.normal(1, 0.06)),
                disc_gas=bool(degenerate and rng.random() < 0.35),
                trabecular_hu=float(max(density + thoracic + rng.normal(0, 9), 25.0)),
                endplate_mm=endplate_mm,
                sclerosis_hu=(float(sclerosis[0]), float(sclerosis[1])),
                osteophytes=tuple(osteophytes),
                schmorl=tuple(schmorl),
            )
        )
    return vertebrae


def _shorten(rng: Generator, ranges: Ranges, vertebrae: list[VertebraSpec]) -> list[VertebraSpec]:
    """Make some vertebrae short all over, as readers mistake for a crush."""
    chosen = rng.random(len(vertebrae)) < ranges.short_share
    factor = np.where(chosen, rng.uniform(0.85, 0.92, len(vertebrae)), 1.0).tolist()
    return [
        replace(v, anterior_mm=v.anterior_mm * f, posterior_mm=v.posterior_mm * f)
        for v, f in zip(vertebrae, factor, strict=True)
    ]


def _body(rng: Generator, ranges: Ranges, seed: int, age: int) -> BodySpec:
    contrast = rng.random() < ranges.contrast_share
    blood = float(rng.uniform(150, 350) if contrast else rng.uniform(35, 55))
    fat = _between(rng, ranges.fat_mm)
    return BodySpec(
        seed=seed,
        girth=_between(rng, ranges.girth),
        fat_front_mm=fat * float(rng.uniform(0.7, 1.3)),
        fat_back_mm=4 + 0.6 * fat * float(rng.uniform(0.7, 1.3)),
        muscle_hu=float(rng.uniform(38, 62)),
        muscle_fat=float(np.clip(rng.normal(0.1 + 0.006 * (age - 50), 0.1), 0.02, 0.55)),
        blood_hu=blood,
        vein_hu=float(rng.uniform(0.45, 0.9) * blood) if contrast else blood,
        liver_hu=float(rng.uniform(80, 120) if contrast else rng.uniform(40, 65)),
        kidney_hu=float(rng.uniform(120, 220) if contrast else rng.uniform(28, 38)),
        plaque=_between(rng, ranges.plaque) * float(np.clip((age - 45) / 30, 0.1, 1)),
        lung_hu=float(rng.uniform(-910, -840)),
        marrow_contrast_hu=float(rng.uniform(5, 20)) if contrast else 0.0,
        aorta_side=float(rng.uniform(0.5, 1.25)),
        arms_down=bool(rng.random() < ranges.arms_down_share),
        oral_contrast=bool(rng.random() < 0.2),
    )


def _acquisition(rng: Generator, ranges: Ranges) -> Acquisition:
    low, high = np.log(ranges.slice_mm)
    pixel_mm = round(_between(rng, ranges.pixel_mm), 4)
    overshoot = _between(rng, ranges.overshoot)
    return Acquisition(
        spacing_mm=(round(float(np.exp(rng.uniform(low, high))), 2), pixel_mm, pixel_mm),
        overlap=1.0 if rng.random() < 0.5 else round(_between(rng, ranges.overlap), 2),
        blur_fwhm_mm=_between(rng, ranges.blur_fwhm_mm),
        overshoot=overshoot,
        noise_hu=_between(rng, ranges.noise_hu),
        noise_grain_mm=float(rng.uniform(0.7, 1.3) - 0.5 * overshoot),
        centre_mm=(_between(rng, ranges.off_centre_mm), _between(rng, ranges.off_centre_mm)),
    )


def _draw_fractures(rng: Generator, visible: tuple[str, ...]) -> dict[str, tuple[int, str | None]]:
    weights = np.array([_LEVEL_WEIGHT.get(level, 1.0) for level in visible])
    count = min(int(rng.choice((1, 2, 3), p=(0.62, 0.25, 0.13))), len(visible))
    levels = rng.choice(len(visible), count, replace=False, p=weights / weights.sum())
    return {visible[i]: (int(rng.choice((1, 2, 3), p=(0.3, 0.4, 0.3))), None) for i in sorted(levels)}


def sample(
    seed: int,
    *,
    ranges: Ranges = TRAINING_RANGES,
    fracture_probability: float = 0.5,
    kind: str | None = None,
    levels: tuple[str, str] | None = None,
    fractures: Mapping[str, tuple[int, str | None]] | None = None,
) -> PhantomSpec:
    """Draw a patient and a scan; the same arguments always give the same answer.

    Parameters
    ----------
    fracture_probability
        That the patient has at least one fracture wholly inside the field of view; has no influence on anything but
        the fractures, so 0 and 1 give the same patient healthy and ill.
    kind
        ``chest``, ``abdomen`` or ``both``; any of them where None.
    levels
        Highest and lowest level of the field of view in place of the kind's.
    fractures
        Level → (grade, shape or None for any) in place of drawn ones.

    Raises
    ------
    ValueError
        If a kind, level, grade, shape or probability is none of those accepted.
    """
    if kind is not None and kind not in KINDS:
        raise ValueError(f"kind {kind!r} is unknown, kinds are {', '.join(KINDS)}")
    if not 0 <= fracture_probability <= 1:
        raise ValueError(f"fracture_probability is {fracture_probability}, accepted are 0 to 1")
    who, bone, injury, around, scan = (np.random.default_rng([seed, part]) for part in range(5))
    age = round(_between(who, ranges.age_years))
    sex = "F" if who.random() < 0.6 else "M"
    kinds = list(KINDS)
    drawn_kind = kinds[int(who.choice(len(kinds), p=(0.4, 0.35, 0.25)))]
    kind = kind or drawn_kind
    uppers, lowers = KINDS[kind]
    drawn_levels = uppers[int(who.integers(len(uppers)))], lowers[int(who.integers(len(lowers)))]
    upper, lower = levels or drawn_levels
    if upper not in LEVELS or lower not in LEVELS or LEVELS.index(upper) > LEVELS.index(lower):
        raise ValueError(
            f"levels are {upper}–{lower}, accepted is a range from head to feet in {LEVELS[0]}–{LEVELS[-1]}"
        )
    cobb = _between(who, ranges.cobb_deg) * (1 if who.random() < 0.5 else -1)
    posture = Posture(
        kyphosis_deg=_between(who, ranges.kyphosis_deg),
        lordosis_deg=_between(who, ranges.lordosis_deg),
        cobb_deg=cobb if who.random() < 1 / 3 else 0.15 * cobb,
        apex=float(who.uniform(0.3, 0.75)),
        tilt_deg=_between(who, ranges.tilt_deg),
        roll_deg=_between(who, ranges.roll_deg),
    )
    body = _body(around, ranges, seed, age)
    vertebrae = _bone(bone, ranges, age, sex, body.marrow_contrast_hu)
    vertebrae = _shorten(np.random.default_rng([seed, 6]), ranges, vertebrae)

    whole = LEVELS[LEVELS.index(upper) : LEVELS.index(lower) + 1]
    ill = injury.random() < fracture_probability
    if fractures is None:
        inside = tuple(level for level in whole if level in GRADED)
        fractures = _draw_fractures(injury, inside) if ill and inside else {}
    check_fractures(fractures)
    if missing := [level for level in fractures if level not in whole]:
        raise ValueError(f"fractures of {', '.join(missing)} lie outside the field of view {upper}–{lower}")
    for level, (grade, shape) in fractures.items():
        i = LEVELS.index(level)
        vertebrae[i] = replace(vertebrae[i], fracture=sample_fracture(injury, ranges, grade, shape))
    return PhantomSpec(
        seed=seed,
        age=age,
        sex=sex,
        kind=kind,
        levels=(upper, lower),
        margins_mm=(float(scan.uniform(2, 14)), float(scan.uniform(2, 14))),
        posture=posture,
        vertebrae=tuple(vertebrae),
        body=body,
        acquisition=_acquisition(scan, ranges),
    )
