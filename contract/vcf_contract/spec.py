# SPDX-License-Identifier: Apache-2.0
"""Every default of the preparation, written once: the contract, the training and the tests read them here."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class DetectorSpec:
    """Input and output of the spinal canal detector (paper §2.1, YOLOv2 head of its reference 24).

    A detector image has a fixed pixel size in millimetres and is centred on the slice, so the canal has
    the same size in pixels whatever the field of view: the network need not learn scale.
    """

    slice_every_mm: float = 30.0
    image_px: int = 256
    pixel_mm: float = 1.6
    """256 × 1.6 mm = 410 mm: the canal lies inside it in any patient on the table."""
    stride_px: int = 16
    window_hu: tuple[int, int] = (-200, 800)
    """Clipped and scaled to [0, 1]: fat, cord, cancellous and cortical bone stay apart."""
    anchors_mm: tuple[tuple[float, float], ...] = ((18.0, 15.0), (23.0, 18.0), (29.0, 21.0))
    """(width left-right, height antero-posterior) of the prior boxes."""
    min_confidence: float = 0.3

    @property
    def grid(self) -> int:
        """Cells a side of the head's output."""
        return self.image_px // self.stride_px

    @property
    def head_channels(self) -> int:
        """tx, ty, tw, th, to for each anchor."""
        return 5 * len(self.anchors_mm)


@dataclass(frozen=True)
class CentreLineSpec:
    """Thresholds from the domain: when detections make a centre line, and when they do not."""

    max_jump_ap_mm: float = 35.0
    """Largest antero-posterior step over 30 mm of height."""
    max_jump_lr_mm: float = 20.0
    max_gap_mm: float = 90.0
    max_kink: float = 1.0
    """Largest change of direction, in mm across per mm of height, at the outermost slice but one: beyond it, what was
    found on the outermost is something else. Spines, scoliotic and kyphotic ones too, have up to 0.75."""
    hold_beyond_mm: float = 30.0
    """The line is held constant this far beyond the outermost accepted slice; the spine ends there."""
    min_hits: int = 3
    min_hit_share: float = 0.5
    sacrum_slope: float = 0.6
    """The canal of the sacrum runs back by more than this share of its way down; that of L5 by less."""
    sacrum_width_mm: float = 25.0
    """The canal is as wide at L5 and S1, and narrower where a kyphosis is as steep."""
    sacrum_margin_mm: float = 15.0
    """The slope is known between examined slices: L5 reaches at most this far below the place of the limit."""


@dataclass(frozen=True)
class PatchSpec:
    """One set of patches: grid, physical box and intensity window (paper §2.2).

    Patch axes are the paper's: H craniocaudal (row 0 is cranial), W antero-posterior (column 0 is
    anterior), Z left-right (0 is the patient's right).
    """

    grid: tuple[int, int, int] = (32, 32, 32)
    height_mm: float = 48.0
    anterior_mm: float = 50.0
    """The vertebral body lies in front of the canal, so the box is not centred on it."""
    posterior_mm: float = 14.0
    half_width_mm: float = 24.0
    """Symmetric, so that a left-right flip of the patch is a true mirror image."""
    window_centre_hu: float = 370.0
    window_width_hu: float = 840.0

    @property
    def window_hu(self) -> tuple[float, float]:
        """Lower and upper end of the intensity window."""
        half = self.window_width_hu / 2
        return self.window_centre_hu - half, self.window_centre_hu + half

    @property
    def box_mm(self) -> tuple[float, float, float]:
        """Physical extent along H, W, Z."""
        return self.height_mm, self.anterior_mm + self.posterior_mm, 2 * self.half_width_mm


@dataclass(frozen=True)
class SagittalSpec:
    """The reconstructed mid-sagittal picture."""

    anterior_mm: float = 90.0
    """The picture reaches this far in front of the most anterior point of the centre line."""
    posterior_mm: float = 60.0
    slab_mm: float = 3.0
    """Averaged left-right about the centre line; about one thick sagittal reformat."""


DETECTOR = DetectorSpec()
CENTRE_LINE = CentreLineSpec()
PATCH = PatchSpec()
SAGITTAL = SagittalSpec()

MAX_PATCHES = 32
"""A study of more patches (over 1.5 m of spine) is refused before any network sees it."""
MIN_COVERAGE_MM = 120.0
FourierMode = Literal["plain", "reflect"]
FOURIER_MODE: FourierMode = "reflect"
"""``reflect`` pads by reflection and trims, so the ends do not wrap; ``plain`` is the paper's literal form."""
SMOOTHING: tuple[float, ...] | None = (0.25, 0.5, 0.25)
"""Applied to the patch probabilities before the maximum (paper §2.3); None switches it off."""
