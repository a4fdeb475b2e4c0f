# SPDX-License-Identifier: Apache-2.0
"""The one typed description of the served models.

Names, shapes and types of all tensors, the models and how the ensemble wires them. ``config.pbtxt`` files are
generated from it (``vcf_export.config``), and exporters, Python models, clients and tests import it; no tensor
name is written anywhere else. Light on purpose: standard library and ``vcf_contract.spec`` only.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from vcf_contract.spec import DETECTOR, MAX_PATCHES, PATCH

DType = str
"""Triton's name without its prefix: FP32, INT16, INT32, INT64, BYTES."""


@dataclass(frozen=True)
class Tensor:
    """A named tensor. ``shape`` has −1 where it varies and leaves out a model's batch dimension."""

    name: str
    dtype: DType
    shape: tuple[int, ...]
    meaning: str
    optional: bool = False
    """A request may leave this input out."""
    most: int | None = None
    """How long a free axis may be, where a request could make it longer than any study needs."""
    values: tuple[float, float] | None = None
    """From where to where the numbers lie. Without, a real number is any finite one."""
    since: str | None = None
    """The version of the contract that added this input: a server of an older one does not take it."""

    def with_shape(self, *shape: int) -> "Tensor":
        """Return the same tensor as another model sees it, e.g. without the batch dimension."""
        return replace(self, shape=shape)


@dataclass(frozen=True)
class Model:
    """A model of the repository. ``max_batch_size`` 0 means that dimension 0 is no batch."""

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    max_batch_size: int = 0
    network: bool = False
    """A trained network (``model.onnx`` / ``model.plan``); otherwise a Python model (``model.py``)."""
    batch_delay_us: int = 0
    """How long the dynamic batcher waits for more patches of other studies."""
    same_rows: bool = False
    """Every input has a row a patch: one or more, and as many as the others."""
    warms_up: bool = True
    meaning: str = ""


@dataclass(frozen=True)
class Step:
    """A model inside the ensemble: its own tensor names on the left, the ensemble's on the right."""

    model: str
    inputs: dict[str, str]
    outputs: dict[str, str]


@dataclass(frozen=True)
class Ensemble:
    """An entry model: one way of handing over a study, or a part of it, in one request."""

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    steps: tuple[Step, ...]
    meaning: str


GRID = PATCH.grid
MAX_SLICE_IMAGES = 64
MAX_BATCH_PATCHES = 4 * MAX_PATCHES
"""Four of the largest studies at once; smaller ones merge in greater numbers."""
MAX_FEATURES = 1 << 16
"""Several times what five members give of a patch."""
MAX_TIMEOUT_US = 24 * 3600 * 10**6
"""The longest ``timeout`` of a request: a day."""
_PROBABILITY = (-1.0, 1.0)
"""−1 stands for one that no member has learned."""

VOLUME = Tensor(
    "volume",
    "INT16",
    (-1, -1, -1),
    "HU, canonical index order (z, y, x): feet to head, front to back, right to left; -1024 where nothing was scanned",
)
SPACING_MM = Tensor("spacing_mm", "FP32", (3,), "voxel spacing along z, y, x in mm")
SLICE_LOCATION_MM = Tensor(
    "slice_location_mm",
    "FP32",
    (1,),
    "where the volume's first slice lies along its z axis in the patient (DICOM's Slice Location): examined slices and "
    "patches then lie at fixed heights in the patient, wherever the scan begins and ends",
    optional=True,
    values=(-1e6, 1e6),
    since="2.1.0",
)
VOLUME_SHAPE = Tensor("volume_shape", "INT32", (3,), "slices, rows and columns of the canonical volume")
CROP = Tensor(
    "crop", "INT16", (-1, -1, -1), "HU of all slices of the canonical volume, but only of some rows and columns"
)
CROP_ORIGIN = Tensor("crop_origin", "INT32", (2,), "row and column in the volume of the crop's first voxel")
DICOM_FILES = Tensor("dicom_files", "BYTES", (-1,), "DICOM files as they are, one an element, in any order")

SLICE_IMAGES = Tensor(
    "slice_images",
    "FP32",
    (-1, DETECTOR.image_px, DETECTOR.image_px, 1),
    "axial slices, windowed to [0, 1], at the detector's pixel size",
    most=MAX_SLICE_IMAGES,
    values=(0.0, 1.0),
)
SLICE_INDICES = Tensor(
    "slice_indices", "INT32", (-1,), "z index in the volume of each slice image", most=MAX_SLICE_IMAGES
)
CANAL_GRID = Tensor(
    "canal_grid",
    "FP32",
    (-1, DETECTOR.grid, DETECTOR.grid, DETECTOR.head_channels),
    "raw YOLO head: tx, ty, tw, th, to for each anchor",
    most=MAX_SLICE_IMAGES,
)
PATCHES = Tensor(
    "patches",
    "FP32",
    (-1, *GRID, 1),
    "k patches from head to feet, windowed to [0, 1]",
    most=MAX_BATCH_PATCHES,
    values=(0.0, 1.0),
)
LOCATION = Tensor(
    "location",
    "FP32",
    (-1,),
    "relative position of each patch centre in the covered spine, 0 cranial to 1 caudal",
    most=MAX_PATCHES,
    values=(0.0, 1.0),
)
FEATURE_ROWS = Tensor(
    "features",
    "FP32",
    (-1, -1),
    "F_rep of each patch by every member under every flip, one beside the other",
    most=MAX_FEATURES,
)
PATCH_PROBABILITY = Tensor(
    "patch_probability",
    "FP32",
    (-1, -1, -1),
    "F_seq: probability of a fracture (member, flip, patch)",
    most=MAX_PATCHES,
    values=_PROBABILITY,
)
STUDY_PROBABILITY = Tensor(
    "study_probability",
    "FP32",
    (-1, -1),
    "F_agg where a member has learned one (member, flip), otherwise -1",
    most=MAX_PATCHES,
    values=_PROBABILITY,
)

STUDY_SCORE = Tensor(
    "study_score", "FP32", (1,), "0 to 1: what all members say of all patches, aggregated as the weights ask for"
)
THRESHOLD = Tensor("threshold", "FP32", (1,), "operating point that goes with the weights")
PATCH_PROBABILITIES = Tensor(
    "patch_probabilities", "FP32", (-1,), "mean over members and flips of each patch's probability, head to feet"
)
PATCH_SCORES = Tensor(
    "patch_scores", "FP32", (-1,), "patch_probabilities, smoothed along the spine if the weights ask for it"
)
PATCH_BOXES_MM = Tensor(
    "patch_boxes_mm",
    "FP32",
    (-1, 6),
    "box of each patch: x0, y0, z0, x1, y1, z1 in mm from the centre of voxel (0, 0, 0)",
)
CENTRE_LINE_MM = Tensor(
    "centre_line_mm",
    "FP32",
    (-1, 3),
    "canal centre x, y, z of each slice of the covered spine, in mm from the centre of voxel (0, 0, 0)",
)
MIDSAGITTAL = Tensor(
    "midsagittal",
    "INT16",
    (-1, -1),
    "reconstructed mid-sagittal picture in HU, row 0 cranial, column 0 anterior",
)
MIDSAGITTAL_MM = Tensor(
    "midsagittal_mm",
    "FP32",
    (4,),
    "of the picture: z of row 0 and y of column 0 in mm from the centre of voxel (0, 0, 0), row pitch, column pitch",
)
PATIENT_AFFINE = Tensor(
    "patient_affine",
    "FP64",
    (4, 4),
    "maps (x, y, z, 1) in mm from the centre of voxel (0, 0, 0) to patient LPS mm",
)
SERIES_UID = Tensor("series_uid", "BYTES", (1,), "Series Instance UID of the series that was analysed")
STUDY_FLAGS = Tensor("study_flags", "BYTES", (-1,), "codes of the reader that a reader of the findings should know")
SELECTION = Tensor("selection", "BYTES", (-1,), "for each series one sentence: taken or not, and why")
FLAGS = Tensor("flags", "BYTES", (-1,), "codes that a reader of the findings should know")
MODEL_HASH = Tensor("model_hash", "BYTES", (1,), "SHA-256 over the weights of all networks")
STAGE_TIMINGS_MS = Tensor(
    "stage_timings_ms", "FP32", (-1,), "wall time on the server of the last n of STAGES: those this entry model has"
)
STAGES = (
    "dicom_volume",
    "axial_slices",
    "spinal_cord_detector",
    "centre_line",
    "spine_patches",
    "classification",
    "fracture_findings",
)
"""Network stages and spine_patches include their queue and the hops before them: the time since the step before."""

CLOCK = Tensor(
    "clock_ns",
    "INT64",
    (-1,),
    "server clock at the marks between the stages so far; none at the front",
    optional=True,
    most=2 * len(STAGES),
)

ADMISSION_REQUEST = Tensor(
    "admission_request",
    "BYTES",
    (1,),
    "routine or urgent: is there room for a study? leave: the study of this id is wanted no more",
)
STUDIES_IN_FLIGHT = Tensor(
    "studies_in_flight", "INT32", (1,), "studies that the server has taken and not answered, with this one"
)


class Priority(StrEnum):
    """Tell who goes first where studies wait, best last."""

    ROUTINE = "routine"
    URGENT = "urgent"

    @property
    def level(self) -> int:
        """Triton's request parameter ``priority``: 1 goes before 2."""
        return PRIORITY_LEVELS - list(Priority).index(self)


PRIORITY_LEVELS = len(Priority)
LEAVE = "leave"
"""The word in place of a priority of a caller that gives its study up."""
SELF_TEST = "self-test"
"""Request id of a model's self-test (``deploy/probe.py``), which is no study: no step counts or refuses it for load."""
MOST_ROUTINE, MOST_URGENT = "MOST_ROUTINE", "MOST_URGENT"
"""Parameters in the configuration of ``admission``: how many routine studies are taken at a time, and how many urgent
ones beside them."""

AGE_POLICY = "age_policy"
"""Request parameter of ``vcf_dicom``: ``warn`` flags patients under 50 or of unknown age, ``block`` refuses."""


def _rows(tensor: Tensor) -> Tensor:
    """The tensor as a batching model sees it: without dimension 0."""
    return tensor.with_shape(*tensor.shape[1:])


def _clock(step: str) -> Tensor:
    return replace(CLOCK, name=f"clock_{step}_ns", optional=False)


CLOCK_SLICES, CLOCK_LINE, CLOCK_PATCHES = (_clock(step) for step in ("slices", "line", "patches"))
"""Each step's own outgoing clock: the marks that came in and those it adds."""

ADMISSION = Model(
    "admission",
    (ADMISSION_REQUEST,),
    (STUDIES_IN_FLIGHT,),
    # Zeros are no word that it knows.
    warms_up=False,
    meaning="says whether there is room for a study, before anything of it is sent",
)
DICOM_VOLUME = Model(
    "dicom_volume",
    (DICOM_FILES,),
    (
        VOLUME,
        SPACING_MM,
        replace(SLICE_LOCATION_MM, optional=False),
        VOLUME_SHAPE,
        PATIENT_AFFINE,
        SERIES_UID,
        STUDY_FLAGS,
        SELECTION,
        SLICE_IMAGES,
        SLICE_INDICES,
        CLOCK_SLICES,
    ),
    # Nothing but a whole readable study would pass, and a refused warm-up keeps a model from loading.
    warms_up=False,
    meaning="reads DICOM files and does the work of axial_slices, which saves the volume one hop",
)
AXIAL_SLICES = Model(
    "axial_slices",
    (VOLUME, SPACING_MM, SLICE_LOCATION_MM),
    (SLICE_IMAGES, SLICE_INDICES, VOLUME_SHAPE, CLOCK_SLICES),
    meaning="picks one slice every 30 mm and makes detector images",
)
SPINAL_CORD_DETECTOR = Model(
    "spinal_cord_detector",
    (_rows(SLICE_IMAGES),),
    (_rows(CANAL_GRID),),
    max_batch_size=MAX_SLICE_IMAGES,
    network=True,
    meaning="YOLO head: the spinal canal on axial slices",
)
CENTRE_LINE = Model(
    "centre_line",
    (VOLUME_SHAPE, SPACING_MM, SLICE_INDICES, CANAL_GRID, CLOCK),
    (CENTRE_LINE_MM, FLAGS, CLOCK_LINE),
    meaning="decodes the boxes, rejects outliers and interpolates between them",
)
SPINE_PATCHES = Model(
    "spine_patches",
    (
        CROP,
        replace(CROP_ORIGIN, optional=True),
        replace(VOLUME_SHAPE, optional=True),
        SPACING_MM,
        SLICE_LOCATION_MM,
        CENTRE_LINE_MM,
        CLOCK,
    ),
    (PATCHES, LOCATION, PATCH_BOXES_MM, MIDSAGITTAL, MIDSAGITTAL_MM, CLOCK_PATCHES),
    meaning="Fourier resampling, sagittal reconstruction and tiling, of a volume or of a crop of one",
)
PATCH_ENCODER = Model(
    "patch_encoder",
    (_rows(PATCHES),),
    (_rows(FEATURE_ROWS),),
    max_batch_size=MAX_BATCH_PATCHES,
    network=True,
    batch_delay_us=1000,
    meaning="F_rep of every member under every flip: 3-D CNNs, one row a patch",
)
SEQUENCE_HEAD = Model(
    "sequence_head",
    (FEATURE_ROWS, LOCATION),
    (PATCH_PROBABILITY, STUDY_PROBABILITY),
    network=True,
    same_rows=True,
    meaning="F_seq of every member under every flip over the patches of a study, and F_agg where it is learned",
)
FRACTURE_FINDINGS = Model(
    "fracture_findings",
    (PATCH_PROBABILITY, STUDY_PROBABILITY, replace(CLOCK, optional=False)),
    (STUDY_SCORE, THRESHOLD, PATCH_PROBABILITIES, PATCH_SCORES, MODEL_HASH, STAGE_TIMINGS_MS),
    meaning="F_agg: averages over members and flips, smoothing, maximum",
)
MODELS = (
    ADMISSION,
    DICOM_VOLUME,
    AXIAL_SLICES,
    SPINAL_CORD_DETECTOR,
    CENTRE_LINE,
    SPINE_PATCHES,
    PATCH_ENCODER,
    SEQUENCE_HEAD,
    FRACTURE_FINDINGS,
)
COUNTED_BY = (DICOM_VOLUME, AXIAL_SLICES, SPINE_PATCHES)
"""Steps at which a study is taken, or refused for load, that has not asked for admission."""
ANSWERED_BY = FRACTURE_FINDINGS
"""The step after which a study counts no more."""
NETWORKS = tuple(m for m in MODELS if m.network)
MEMBER_MODELS = re.compile(r"\b(?:patch_encoder|sequence_head)_[a-z]\b")
"""Models of repositories from before members and flips moved into the graphs."""
REMAKE = "it has a model for each member, from before one model held them all: make it anew with `vcf export all`"
"""What a server or a client says that meets such a repository."""
DEADLINE_TABLE = "VCF_DEADLINE_TABLE"
"""Environment variable of a server and its models: the file that holds when each study's time is over."""
OWED_ANSWERS = "-owed-"
"""What follows its name in that of a file which is there while a model's process owes answers that it put off; behind
it comes the process id. They are owed for ever if the process dies: Triton waits for them, and so do their callers."""
ROWS_A_PASS = "ROWS_A_PASS"
"""Parameter in a network's configuration: how many rows of a batch go through it at a time, at most. Activations then
take the memory of so many, however many studies are in flight, and a runtime that plans a network anew for each number
of rows has few of them to plan."""

MOST_ROWS = "MOST_ROWS"
"""Parameter in the configuration of a network whose rows are no batch: how many there may be at most."""


def _step(model: Model, **outside_names: str | None) -> Step:
    """Wire a model by its own tensor names, except those given another name outside, or None: not wired."""

    def wired(tensors: tuple[Tensor, ...]) -> dict[str, str]:
        names: Mapping[str, str | None] = {t.name: outside_names.get(t.name, t.name) for t in tensors}
        return {own: outside for own, outside in names.items() if outside is not None}

    return Step(model.name, wired(model.inputs), wired(model.outputs))


_LOCATE = (
    _step(SPINAL_CORD_DETECTOR),
    _step(CENTRE_LINE, clock_ns=CLOCK_SLICES.name),
)
_CLASSIFY = (
    _step(PATCH_ENCODER),
    _step(SEQUENCE_HEAD),
    _step(FRACTURE_FINDINGS, clock_ns=CLOCK_PATCHES.name),
)
_WHOLE_VOLUME = (
    *_LOCATE,
    _step(SPINE_PATCHES, crop=VOLUME.name, crop_origin=None, volume_shape=None, clock_ns=CLOCK_LINE.name),
    *_CLASSIFY,
)
_CANAL = (CENTRE_LINE_MM, FLAGS)
_FINDINGS = (
    STUDY_SCORE,
    THRESHOLD,
    PATCH_PROBABILITIES,
    PATCH_SCORES,
    PATCH_BOXES_MM,
    LOCATION,
    MIDSAGITTAL,
    MIDSAGITTAL_MM,
    MODEL_HASH,
    STAGE_TIMINGS_MS,
)

VCF = Ensemble(
    "vcf",
    inputs=(VOLUME, SPACING_MM, SLICE_LOCATION_MM),
    outputs=(*_FINDINGS, *_CANAL),
    steps=(_step(AXIAL_SLICES), *_WHOLE_VOLUME),
    meaning="the whole volume",
)
VCF_DICOM = Ensemble(
    "vcf_dicom",
    inputs=(DICOM_FILES,),
    outputs=(*_FINDINGS, *_CANAL, PATIENT_AFFINE, SPACING_MM, SERIES_UID, STUDY_FLAGS, SELECTION),
    steps=(_step(DICOM_VOLUME), *_WHOLE_VOLUME),
    meaning="DICOM files, read and checked by the server",
)
VCF_SCOUT = Ensemble(
    "vcf_scout",
    inputs=(SLICE_IMAGES, SLICE_INDICES, VOLUME_SHAPE, SPACING_MM),
    outputs=_CANAL,
    steps=(_step(SPINAL_CORD_DETECTOR), _step(CENTRE_LINE, clock_ns=None, clock_line_ns=None)),
    meaning="detector images, for the centre line that says which crop to send",
)
VCF_CROP = Ensemble(
    "vcf_crop",
    inputs=(CROP, CROP_ORIGIN, VOLUME_SHAPE, SPACING_MM, SLICE_LOCATION_MM, CENTRE_LINE_MM),
    outputs=_FINDINGS,
    steps=(_step(SPINE_PATCHES, clock_ns=None), *_CLASSIFY),
    meaning="the voxels about the spine, and the centre line that vcf_scout found",
)
ENSEMBLES = (VCF, VCF_SCOUT, VCF_CROP, VCF_DICOM)
