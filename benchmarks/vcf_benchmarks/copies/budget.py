# SPDX-License-Identifier: Apache-2.0
"""The copy budget: what a study has copied at every hop, by the contract's tensors and wiring alone.

A copy is a byte that is written where it was already known elsewhere: by ``memcpy``, or by the kernel on its way into
or out of a socket. What a model makes of its input is work and no copy. The number of copies at each kind of hop is
that of gRPC 1.x, of Triton 2.51 and of its Python backend; ``vcf bench copies`` counts them again.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from math import prod

from vcf_contract import contract
from vcf_contract.contract import Ensemble, Model, Step, Tensor


class Who(StrEnum):
    """Whose processor time a copy takes."""

    CLIENT = "client"
    KERNEL = "kernel"
    SERVER = "server"
    STUB = "stub"
    """The process of a Python model or of a Python-based backend."""


CUT, SHARE, READ_FILES = "cut out of the volume", "written to shared memory", "read from the page cache"
ASSEMBLE, HAND_OVER = "put into the message", "taken over by gRPC"
SEND, RECEIVE = "into the socket", "out of the socket"
PARSE, GROW = "parsed into a tensor", "moved while the tensor grew"
TO_STUB, UNPACK, TO_ARRAY = "to the stub", "split into files", "made a NumPy array"
READ_PIXELS = "pixels taken from the files"
TO_SHARED, FROM_STUB = "to the stub's shared memory", "from the stub"

REQUEST_HOPS = (
    (Who.CLIENT, ASSEMBLE),
    (Who.CLIENT, HAND_OVER),
    (Who.KERNEL, SEND),
    (Who.KERNEL, RECEIVE),
    (Who.SERVER, PARSE),
)
"""Hops of each byte of a request, whatever the tensor."""
GROWS_FROM_BYTES = 50_000_000
"""Protocol Buffers takes memory for so much of a ``bytes`` field at first (``kSafeStringSize``); a longer one moves to
twice the room each time that it is full."""
SHARED = {"shm": contract.CROP.name}
"""What a transport puts into memory that client and server share, instead of the message."""
_ITEM_BYTES = {"FP32": 4, "FP64": 8, "INT16": 2, "INT32": 4, "INT64": 8}
_LENGTH_BYTES = 4
"""The length that stands before each element of a BYTES tensor."""
_VOXELS = {contract.VOLUME.name, contract.CROP.name, contract.DICOM_FILES.name}

TENSORS = {tensor.name: tensor for tensor in vars(contract).values() if isinstance(tensor, Tensor)}
MODELS = {model.name: model for model in contract.MODELS}


@dataclass(frozen=True)
class StudySize:
    """All that the sizes of a study's tensors depend on.

    volume, crop
        (z, y, x) in voxels.
    picture
        Rows and columns of the mid-sagittal picture.
    dicom_bytes, dicom_files
        Of the series as files; 0 where they are not known.
    members, flips, features
        Of the ensemble, and how many numbers its encoder gives of a patch; by default those of the weights that ship.
    """

    volume: tuple[int, int, int]
    crop: tuple[int, int, int]
    slice_images: int
    patches: int
    picture: tuple[int, int]
    dicom_bytes: int = 0
    dicom_files: int = 0
    members: int = 3
    flips: int = 2
    features: int = 12_288

    @property
    def nbytes_of_volume(self) -> int:
        """Bytes of the volume, which all copies are compared with."""
        return self.nbytes(contract.VOLUME)

    def nbytes(self, tensor: Tensor) -> int:
        """Return the bytes of a tensor of the contract; 0 for short texts, whose length the contract does not say."""
        if tensor.name == contract.DICOM_FILES.name:
            return self.dicom_bytes + _LENGTH_BYTES * self.dicom_files
        if tensor.dtype == "BYTES":
            return 0
        free = iter(self._free(tensor))
        return _ITEM_BYTES[tensor.dtype] * prod(next(free) if size == -1 else size for size in tensor.shape)

    def _free(self, tensor: Tensor) -> tuple[int, ...]:
        """Return what stands for each −1 of a shape."""
        many = {
            contract.VOLUME.name: self.volume,
            contract.CROP.name: self.crop,
            contract.MIDSAGITTAL.name: self.picture,
            contract.SLICE_IMAGES.name: (self.slice_images,),
            contract.SLICE_INDICES.name: (self.slice_images,),
            contract.CANAL_GRID.name: (self.slice_images,),
            contract.FEATURE_ROWS.name: (self.patches, self.features),
            contract.PATCH_PROBABILITY.name: (self.members, self.flips, self.patches),
            contract.STUDY_PROBABILITY.name: (self.members, self.flips),
            contract.CENTRE_LINE_MM.name: (self.volume[0],),
            contract.STAGE_TIMINGS_MS.name: (len(contract.STAGES),),
        }
        clocks = {contract.CLOCK.name, *(name for name in TENSORS if name.startswith("clock_"))}
        return many.get(tensor.name, (len(contract.STAGES),) if tensor.name in clocks else (self.patches,))


@dataclass(frozen=True)
class Copy:
    """``nbytes`` of one tensor, copied once. ``where`` is an ensemble or a model.

    counted
        Whether the counter sees it: not the rows of a crop, which are too short, nor the reading of files.
    """

    who: Who
    where: str
    what: str
    tensor: str
    nbytes: int
    counted: bool = True

    @property
    def of_voxels(self) -> bool:
        """Tell whether it is the images that are copied, as voxels or as files."""
        return self.tensor in _VOXELS


REQUESTS: dict[str, tuple[Ensemble, ...]] = {
    "shm": (contract.VCF_SCOUT, contract.VCF_CROP),
    "crop": (contract.VCF_SCOUT, contract.VCF_CROP),
    "volume": (contract.VCF,),
    "dicom": (contract.VCF_DICOM,),
}
"""The ensembles that each transport asks, in order."""


def budget(transport: str, size: StudySize) -> list[Copy]:
    """List every copy of a study by a transport, in the order in which they happen; KeyError for an unknown one."""
    return [
        copy
        for ensemble in REQUESTS[transport]
        for copy in (*_request(ensemble, transport, size), *_steps(ensemble, size))
    ]


def _request(ensemble: Ensemble, transport: str, size: StudySize) -> Iterator[Copy]:
    for tensor in ensemble.inputs:
        nbytes = size.nbytes(tensor)
        if tensor.name == SHARED.get(transport):
            yield Copy(Who.CLIENT, ensemble.name, SHARE, tensor.name, nbytes, counted=False)
            continue
        if tensor.name == contract.CROP.name:
            yield Copy(Who.CLIENT, ensemble.name, CUT, tensor.name, nbytes, counted=False)
        if tensor.name == contract.DICOM_FILES.name:
            yield Copy(Who.KERNEL, ensemble.name, READ_FILES, tensor.name, nbytes, counted=False)
        for who, what in REQUEST_HOPS:
            yield Copy(who, ensemble.name, what, tensor.name, nbytes)
        if moved := sum(_moves(nbytes)):
            yield Copy(Who.SERVER, ensemble.name, GROW, tensor.name, moved)


def _moves(nbytes: int) -> Iterator[int]:
    """Yield what is copied each time that a growing field runs out of room."""
    room = GROWS_FROM_BYTES
    while room < nbytes:
        yield room
        room *= 2


def _steps(ensemble: Ensemble, size: StudySize) -> Iterator[Copy]:
    for step in ensemble.steps:
        model = MODELS[step.model]
        for tensor in _wired(model, step, model.inputs, step.inputs):
            nbytes = size.nbytes(tensor)
            yield Copy(Who.SERVER, model.name, TO_STUB, tensor.name, nbytes)
            # As `as_numpy` gives it: Triton 2.51 makes the array of a copy, and of texts two.
            yield Copy(Who.STUB, model.name, TO_ARRAY, tensor.name, nbytes)
            if tensor.name == contract.DICOM_FILES.name:
                yield Copy(Who.STUB, model.name, UNPACK, tensor.name, nbytes)
                yield Copy(Who.STUB, model.name, READ_PIXELS, tensor.name, nbytes)
        for tensor in _wired(model, step, model.outputs, step.outputs):
            nbytes = size.nbytes(tensor)
            yield Copy(Who.STUB, model.name, TO_SHARED, tensor.name, nbytes)
            yield Copy(Who.SERVER, model.name, FROM_STUB, tensor.name, nbytes)


def _wired(model: Model, step: Step, tensors: tuple[Tensor, ...], names: dict[str, str]) -> Iterator[Tensor]:
    """Yield the contract's tensors behind a step's own, batch dimension included."""
    for tensor in tensors:
        if tensor.name in names:
            yield next(TENSORS[name] for name in (names[tensor.name], tensor.name) if name in TENSORS)


def total(copies: Iterable[Copy], who: Who | None = None, *, counted_only: bool = False) -> int:
    """Add up the bytes copied, by all or by one."""
    return sum(copy.nbytes for copy in copies if who in (None, copy.who) and (copy.counted or not counted_only))
