# SPDX-License-Identifier: Apache-2.0
"""The sampled description of one synthetic patient and scan; rendering it is a function of it alone."""

from dataclasses import dataclass, replace

from vcf_training.phantom.anatomy import LEVELS
from vcf_training.phantom.fracture import Fracture


@dataclass(frozen=True)
class Schmorl:
    """A herniation through an endplate: a Gaussian pit with a sclerotic rim. ``side`` is +1 upper, −1 lower."""

    side: int
    left_mm: float
    back_mm: float
    radius_mm: float
    depth_mm: float


@dataclass(frozen=True)
class Osteophyte:
    """A lip of the rim of one endplate, centred at an angle from the front (+ is left)."""

    side: int
    angle_deg: float
    size_mm: float


@dataclass(frozen=True)
class VertebraSpec:
    """One vertebra as it was before any fracture, and the fracture. Lengths in mm, W left-right, D front-back."""

    level: str
    anterior_mm: float
    posterior_mm: float
    dish_mm: float
    """Depth of each endplate's concavity at its centre."""
    width_mm: float
    depth_mm: float
    canal_width_mm: float
    canal_depth_mm: float
    pedicle_width_mm: float
    pedicle_height_mm: float
    spinous_mm: float
    spinous_drop_mm: float
    transverse_mm: float
    disc_mm: float
    """Thickness of the disc below."""
    trabecular_hu: float
    endplate_mm: float = 0.6
    sclerosis_hu: tuple[float, float] = (0.0, 0.0)
    """Added below the upper and above the lower endplate."""
    disc_gas: bool = False
    osteophytes: tuple[Osteophyte, ...] = ()
    schmorl: tuple[Schmorl, ...] = ()
    fracture: Fracture | None = None


@dataclass(frozen=True)
class Posture:
    """The curves of the spine and how the patient lies."""

    kyphosis_deg: float = 34.0
    """T1–T12."""
    lordosis_deg: float = 37.0
    """L1–S1."""
    cobb_deg: float = 0.0
    """The angle of the scoliosis; its sign is the side of the main curve."""
    apex: float = 0.5
    """Where along T1–L5 the scoliosis has its apex, 0 cranial to 1 caudal."""
    tilt_deg: float = 0.0
    roll_deg: float = 0.0


@dataclass(frozen=True)
class BodySpec:
    """Everything that is not the spine."""

    seed: int = 0
    """The seed of bowel, gas, plaque and texture."""
    girth: float = 1.0
    fat_front_mm: float = 20.0
    fat_back_mm: float = 15.0
    muscle_hu: float = 52.0
    muscle_fat: float = 0.25
    """Share of fat between the fibres of the back muscles."""
    blood_hu: float = 45.0
    """Aorta; over 100 with contrast."""
    vein_hu: float = 45.0
    liver_hu: float = 58.0
    kidney_hu: float = 35.0
    plaque: float = 0.3
    """Share of the aortic wall that is calcified."""
    lung_hu: float = -870.0
    marrow_contrast_hu: float = 0.0
    aorta_side: float = 1.0
    """How far left of the spine the descending aorta runs, against the mean."""
    arms_down: bool = False
    oral_contrast: bool = False


@dataclass(frozen=True)
class Acquisition:
    """The scan: sampling, blur, kernel and noise."""

    spacing_mm: tuple[float, float, float] = (1.0, 0.8, 0.8)
    overlap: float = 1.0
    """Slice thickness over slice spacing."""
    blur_fwhm_mm: float = 0.8
    overshoot: float = 0.0
    noise_hu: float = 12.0
    noise_grain_mm: float = 0.9
    """Standard deviation of the Gaussian that correlates the noise in-plane."""
    centre_mm: tuple[float, float] = (0.0, 0.0)
    """The offset of the field of view (x, y) from the middle of the patient."""
    matrix: int = 512


@dataclass(frozen=True)
class PhantomSpec:
    """One patient, one scan. ``levels`` is the highest and the lowest vertebra of the field of view."""

    seed: int
    age: int
    sex: str
    kind: str
    """``chest``, ``abdomen`` or ``both``; what the request for the scan would have said."""
    levels: tuple[str, str]
    margins_mm: tuple[float, float]
    """Field of view above the highest and below the lowest of them."""
    posture: Posture
    vertebrae: tuple[VertebraSpec, ...]
    """All of ``anatomy.LEVELS``, whether in the field of view or not."""
    body: BodySpec
    acquisition: Acquisition

    def __post_init__(self) -> None:
        if tuple(v.level for v in self.vertebrae) != LEVELS:
            raise ValueError(f"vertebrae must be the {len(LEVELS)} levels {LEVELS[0]}–{LEVELS[-1]} from head to feet")

    def vertebra(self, level: str) -> VertebraSpec:
        """The description of one level."""
        return self.vertebrae[LEVELS.index(level)]

    def without_fractures(self) -> "PhantomSpec":
        """The same patient before the fractures: the reference for heights."""
        return replace(self, vertebrae=tuple(replace(v, fracture=None) for v in self.vertebrae))
