# SPDX-License-Identifier: Apache-2.0
"""Tell how much of everything a training uses: ``cpu`` makes the shipped weights, ``paper`` keeps the paper's
settings."""

from dataclasses import dataclass, field

from vcf_contract.spec import PATCH, PatchSpec
from vcf_training.architecture import SERVED, Architecture


@dataclass(frozen=True)
class DetectorPreset:
    """Training of the canal detector. One step is one batch."""

    phantoms: int = 200
    slices_per_phantom: int = 8
    steps: int = 2000
    batch: int = 16
    learning_rate: float = 2e-3
    """Peak; reached after a twentieth of the steps and lowered along a cosine."""
    dtype: str = "float32"
    """bf16 gains nothing here: normalisation and activations, not convolutions, take most of the time."""
    shift_mm: float = 60.0
    scale: tuple[float, float] = (0.8, 1.25)
    rotate_deg: float = 12.0
    noise: float = 0.04
    """Largest standard deviation of added noise, as a share of the window."""
    cut_share: float = 0.25
    """The share of images whose field of view ends at straight edges."""
    cut_from_mm: tuple[float, float] = (10.0, 120.0)
    """How far from the canal's centre such an edge may lie."""


@dataclass(frozen=True)
class Augmentation:
    """Tell what happens to the patches of a study before it is learnt from.

    ``left_right`` and ``cranio_caudal`` are the paper's horizontal and vertical flips. The second turns a
    vertebra upside down, which no patient is: it belongs to the ``paper`` preset only.
    """

    share: float = 1.0
    """The share of studies that are changed at all; the paper leaves half as they are."""
    left_right: float = 0.5
    cranio_caudal: float = 0.0
    rotate_deg: float = 0.0
    """The largest angle in the sagittal plane."""
    shift_voxels: int = 0
    intensity_scale: float = 0.0
    intensity_shift: float = 0.0
    gamma: float = 0.0
    """The largest bend of the grey values up or down: values to the power of 1 − ``gamma`` to 1 / (1 − ``gamma``)."""
    noise: float = 0.0
    blur_voxels: float = 0.0
    """The largest standard deviation of a blur along the spine, and of one across it, each of half of the studies."""
    cut_share: float = 0.0
    """The share of studies whose field of view ends in the patches: beyond a plane at the front or at a side is air."""
    location_scale: float = 0.0
    location_shift: float = 0.0
    """By how much the locations of a study are stretched about their middle and moved: a scan may begin and end
    elsewhere, and what it shows is the same."""


@dataclass(frozen=True)
class MemberPreset:
    """Training of one member, F_rep and F_seq together."""

    phantoms: int = 900
    """Patients; each is rendered healthy or fractured."""
    tuning_phantoms: int = 200
    views: int = 2
    """Fields of view and detector errors drawn for each rendered patient."""
    warped: int = 250
    """Deformed copies of real CTs, as twins too: real texture, with and without fractures."""
    rendered: int = 0
    """Renderings of vertebra masks, as twins too: the shapes of real fractures."""
    unchanged: int = 0
    """Views of every real CT as it is: none of them shows a fracture."""
    tuning_unchanged: int = 0
    tuning_warped: int = 0
    tuning_rendered: int = 0
    """The same of patients kept out of training, beside the tuning phantoms: steps, aggregation and threshold are
    chosen on all of them together."""
    steps: int = 6800
    patches_per_step: int = 20
    """A batch holds this many patches: many short sequences or few long ones."""
    lengths: tuple[int, ...] = (3, 4, 5, 10)
    short_first: float = 0.3
    """Share of the steps, at the start of a training from random weights, whose runs have ``short_lengths`` in place of
    ``lengths``: more of their patches are fractured, often beside their sound twin, and what a fracture looks like is
    learnt sooner."""
    short_lengths: tuple[int, ...] = (1, 2)
    first_block_share: float = 0.2
    """Share of a batch's patches, others at each step, that F_rep's first block learns from. That block sees full
    resolution through few filters: its gradient is half of a step, for 1,960 weights that all voxels share."""
    studies_per_step: int | None = None
    """A fixed number of studies of full length in place of ``patches_per_step``."""
    learning_rate: float = 2e-3
    constant_rate: bool = False
    average: float = 0.0
    """What is evaluated and kept is a running mean of the weights; this share of it stays at each step. It evens out
    the noise of small batches. 0: the weights alone."""
    sequence_weight: float = 1.0
    """λ of the joint loss."""
    anatomy_weight: float = 0.5
    """The weight of a second task in training: heights and places of the vertebral bodies, which phantoms know
    exactly. It teaches
    F_rep endplates several times faster than fracture labels alone do. Its layer is dropped afterwards."""
    severe_first: float = 0.05
    """Share of the steps, at the start of a training from random weights, whose positive studies all have a fracture
    of grade 2 or 3."""
    evaluate_every: int = 850
    dtype: str = "mixed_bfloat16"
    architecture: Architecture = SERVED
    overlap: float = 0.0
    """Share of its height that a patch has in common with the next one where these members are served. Tuning studies
    are cut so; of the views that train, half are and half have the fewest patches, so that a vertebra is seen wherever
    in a patch it may lie, and with neighbours at either distance."""
    patch: PatchSpec = PATCH
    """What the patches show. Stored ones are cut and averaged to it: a smaller box, fewer voxels, a narrower window."""
    initializer: str = "he_normal"
    """The distribution of the first weights of F_rep's convolutions: Keras' name of a distribution."""
    augmentation: Augmentation = field(
        default_factory=lambda: Augmentation(shift_voxels=1, intensity_scale=0.12, intensity_shift=0.06, noise=0.04)
    )


@dataclass(frozen=True)
class Preset:
    """Settings under one name."""

    name: str
    detector: DetectorPreset
    member: MemberPreset
    specificity: float = 0.95
    """The threshold is the lowest that reaches so much on the tuning studies."""


SCANS_DIFFER = Augmentation(
    rotate_deg=6.0,
    shift_voxels=2,
    intensity_scale=0.2,
    intensity_shift=0.08,
    gamma=0.25,
    noise=0.05,
    blur_voxels=0.7,
    cut_share=0.08,
    location_scale=0.3,
    location_shift=0.2,
)
"""The same spine on another scanner, lying otherwise, begun and ended elsewhere."""

PRESETS = {
    preset.name: preset
    for preset in (
        Preset("cpu", DetectorPreset(), MemberPreset()),
        # Paper §3.2: Adam 1e-5, batch 16, 2000 epochs of 150 iterations, flips and ±20° on half of the cases.
        Preset(
            "paper",
            DetectorPreset(phantoms=600, steps=20_000),
            MemberPreset(
                phantoms=1832,
                tuning_phantoms=311,
                views=1,
                warped=0,
                steps=2000 * 150,
                studies_per_step=16,
                learning_rate=1e-5,
                constant_rate=True,
                anatomy_weight=0.0,
                severe_first=0.0,
                short_first=0.0,
                first_block_share=1.0,
                evaluate_every=150,
                dtype="float32",
                augmentation=Augmentation(share=0.5, left_right=0.5, cranio_caudal=0.5, rotate_deg=20.0),
            ),
        ),
        # What the shipped weights have learnt on top of the ``cpu`` preset's: real CTs as negatives, fractures in every
        # CT whose bodies are marked, masks with real fractures, scans that differ in brightness, sharpness and extent.
        Preset(
            "ship",
            DetectorPreset(),
            MemberPreset(
                phantoms=500,
                tuning_phantoms=100,
                warped=300,
                rendered=200,
                unchanged=48,
                tuning_warped=40,
                tuning_rendered=32,
                tuning_unchanged=6,
                steps=14_000,
                learning_rate=1e-3,
                average=0.998,
                overlap=0.5,
                anatomy_weight=0.3,
                severe_first=0.0,
                evaluate_every=1000,
                augmentation=SCANS_DIFFER,
            ),
            # A quarter of the sound tuning studies are hard ones: fractured bodies stretched back, degenerated spines.
            specificity=0.9,
        ),
        # Seconds: shows that everything runs, learns next to nothing.
        Preset(
            "tiny",
            DetectorPreset(phantoms=1, slices_per_phantom=4, steps=3, batch=4),
            MemberPreset(
                phantoms=2,
                tuning_phantoms=2,
                views=1,
                warped=0,
                steps=2,
                patches_per_step=8,
                lengths=(2, 4),
                average=0.99,
                evaluate_every=2,
                dtype="float32",
            ),
        ),
    )
}
