# SPDX-License-Identifier: Apache-2.0
"""Tell what varies between phantoms, and how far.

Training and held-out phantoms come from *different ranges*, not only from different seeds: held-out patients are
older, more curved, noisier, sharper and more degenerate, and their fractures have another profile. A network that
only memorised the generator's habits does worse there, which a split by seed alone would not show. Every held-out
range reaches beyond that of training, but for the slices' spacing and blur, where training covers all that the
product accepts.
"""

from dataclasses import dataclass

Range = tuple[float, float]


@dataclass(frozen=True)
class Ranges:
    """Lower and upper end of each parameter; drawn uniformly unless said otherwise."""

    age_years: Range
    scale: Range
    """The factor of all lengths against the cadaver tables; living spines on CT measure about 1.1 times those."""
    height_scatter: float
    """Standard deviation of one vertebra's height against its neighbours, as a share."""
    wedge_scatter: float
    """Standard deviation of anterior over posterior height."""
    strong_wedge_share: float
    """Vertebrae whose anterior height is 12–18 % low without a fracture (hard negatives)."""
    short_share: float
    """Vertebrae whose whole height is 8–15 % low without a fracture (hard negatives)."""
    kyphosis_deg: Range
    lordosis_deg: Range
    cobb_deg: Range
    """Scoliosis, of a third of the patients."""
    tilt_deg: Range
    """Lying askew: coronal tilt of the whole spine."""
    roll_deg: Range
    off_centre_mm: Range
    disc_factor: Range
    disc_degenerate_share: float
    density_offset_hu: Range
    """Added to the mean trabecular density at the patient's age."""
    endplate_mm: Range
    """Thickness of the cortical shell at the endplates; the walls have 0.8 of it."""
    concavity: Range
    """Depth of one endplate's dish as a share of the height."""
    osteophyte_mm: Range
    osteophyte_share: float
    schmorl_share: float
    schmorl_depth_mm: Range
    sclerosis_share: float
    """Endplate sclerosis without a fracture."""
    wedge_power: Range
    """Exponent of the loss from the back to the front of a wedge."""
    upper_share: Range
    """Share of the loss that the upper endplate takes, of wedge and crush."""
    fracture_sclerosis_hu: Range
    bulge_mm: Range
    """Overhang of the buckled anterior wall."""
    angulation: Range
    """Share of a wedge's angle that the spine above keeps; the discs take up the rest."""
    fat_mm: Range
    girth: Range
    contrast_share: float
    arms_down_share: float
    plaque: Range
    pixel_mm: Range
    slice_mm: Range
    """Slice spacing, drawn with log-uniform density."""
    overlap: Range
    """Slice thickness over slice spacing."""
    blur_fwhm_mm: Range
    overshoot: Range
    """Edge enhancement of the reconstruction kernel: 0 smooth, 0.6 sharp."""
    noise_hu: Range


TRAINING_RANGES = Ranges(
    age_years=(50, 86),
    scale=(0.97, 1.19),
    height_scatter=0.025,
    wedge_scatter=0.028,
    strong_wedge_share=0.12,
    short_share=0.06,
    kyphosis_deg=(18, 48),
    lordosis_deg=(20, 52),
    cobb_deg=(2, 16),
    tilt_deg=(-4, 4),
    roll_deg=(-7, 7),
    off_centre_mm=(-25, 25),
    disc_factor=(0.78, 1.2),
    disc_degenerate_share=0.18,
    density_offset_hu=(-50, 55),
    endplate_mm=(0.38, 0.95),
    concavity=(0.015, 0.06),
    osteophyte_mm=(0.5, 5.0),
    osteophyte_share=0.3,
    schmorl_share=0.1,
    schmorl_depth_mm=(2.0, 7.0),
    sclerosis_share=0.12,
    wedge_power=(0.7, 1.6),
    upper_share=(0.5, 1.0),
    fracture_sclerosis_hu=(0, 170),
    bulge_mm=(0.0, 3.0),
    angulation=(0.28, 0.75),
    fat_mm=(6, 42),
    girth=(0.84, 1.18),
    contrast_share=0.6,
    arms_down_share=0.2,
    plaque=(0.0, 0.9),
    pixel_mm=(0.6, 0.95),
    slice_mm=(0.7, 5.0),
    overlap=(1.0, 1.5),
    blur_fwhm_mm=(0.6, 1.2),
    overshoot=(0.0, 0.5),
    noise_hu=(6, 34),
)
HELD_OUT_RANGES = Ranges(
    age_years=(62, 95),
    scale=(0.96, 1.21),
    height_scatter=0.028,
    wedge_scatter=0.030,
    strong_wedge_share=0.07,
    short_share=0.04,
    kyphosis_deg=(36, 56),
    lordosis_deg=(36, 58),
    cobb_deg=(10, 22),
    tilt_deg=(-5, 5),
    roll_deg=(-9, 9),
    off_centre_mm=(-32, 32),
    disc_factor=(0.72, 1.02),
    disc_degenerate_share=0.22,
    density_offset_hu=(-60, 25),
    endplate_mm=(0.32, 0.65),
    concavity=(0.03, 0.07),
    osteophyte_mm=(2.0, 6.0),
    osteophyte_share=0.35,
    schmorl_share=0.09,
    schmorl_depth_mm=(4.0, 8.0),
    sclerosis_share=0.14,
    wedge_power=(1.1, 1.9),
    upper_share=(0.45, 0.85),
    fracture_sclerosis_hu=(40, 200),
    bulge_mm=(1.0, 3.5),
    angulation=(0.2, 0.5),
    fat_mm=(20, 52),
    girth=(0.95, 1.25),
    contrast_share=0.5,
    arms_down_share=0.25,
    plaque=(0.3, 1.0),
    pixel_mm=(0.70, 0.97),
    slice_mm=(1.5, 5.0),
    overlap=(1.0, 1.25),
    blur_fwhm_mm=(0.8, 1.2),
    overshoot=(0.15, 0.6),
    noise_hu=(18, 40),
)
