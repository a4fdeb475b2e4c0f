# SPDX-License-Identifier: Apache-2.0
"""DICOM files to a checked canonical volume and its detector images, for callers that cannot read DICOM themselves.

Needs the ``client`` extra where Triton's Python runs. Without it the model loads all the same, since the other
entry models need no reader, and says of itself that it is unavailable.
"""

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from vcf_contract.contract import (
    AGE_POLICY,
    CLOCK_SLICES,
    DICOM_VOLUME,
    PATIENT_AFFINE,
    SELECTION,
    SERIES_UID,
    SLICE_IMAGES,
    SLICE_INDICES,
    SLICE_LOCATION_MM,
    SPACING_MM,
    STUDY_FLAGS,
    VOLUME,
    VOLUME_SHAPE,
)
from vcf_contract.errors import Code, ServerUnavailable, StudyRefused
from vcf_preprocess import slices
from vcf_preprocess.cores import STUDY_THREADS
from vcf_runtime import niceness
from vcf_runtime.step import answer
from vcf_runtime.time_limit import process_ends_after

READ_LIMIT_S = 300.0
"""No study that is accepted takes a tenth of it; a decoder that never returns would hold this process for good."""
MISSING: str | None = None
try:
    import vcf_client.dicom.read  # noqa: F401  pydicom and the decoders, now rather than at the first study
    from vcf_client.acceptance import AGE_POLICIES
    from vcf_client.reader import read_files
except ModuleNotFoundError as error:
    MISSING = error.name


def work(files: Any, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs and outputs as in the contract."""
    started_ns = time.monotonic_ns()
    if MISSING:
        raise ServerUnavailable(
            f"this server reads no DICOM, its Python lacks {MISSING}: install its client extra, or send volumes"
        )
    age_policy = parameters.get(AGE_POLICY, AGE_POLICIES[0])
    if age_policy not in AGE_POLICIES:
        raise StudyRefused(Code.BAD_INPUT, f"{AGE_POLICY} must be {' or '.join(AGE_POLICIES)}")
    with process_ends_after(READ_LIMIT_S):
        study, series_uid = read_files(files, age_policy=age_policy)
    volume = study.volume
    read_ns = time.monotonic_ns()
    indices = slices.pick_body(volume.hu, volume.spacing_mm, volume.slice_location_mm)
    return {
        VOLUME.name: volume.hu,
        SPACING_MM.name: volume.spacing_mm,
        SLICE_LOCATION_MM.name: [volume.slice_location_mm],
        VOLUME_SHAPE.name: volume.hu.shape,
        # From mm instead of indices: what every position of the answer is in.
        PATIENT_AFFINE.name: volume.affine @ np.diag([*(1 / pitch for pitch in volume.spacing_mm[::-1]), 1]),
        SERIES_UID.name: [series_uid.encode()],
        STUDY_FLAGS.name: [flag.encode() for flag in study.flags],
        SELECTION.name: [sentence.encode() for sentence in study.selection],
        SLICE_IMAGES.name: slices.detector_images(volume.hu, volume.spacing_mm, indices, threads=STUDY_THREADS),
        SLICE_INDICES.name: indices,
        CLOCK_SLICES.name: (started_ns, read_ns, time.monotonic_ns()),
    }


class TritonPythonModel:
    """The model as Triton's Python backend drives it."""

    def initialize(self, args: Mapping[str, str]) -> None:
        """Come after the models that only admit and refuse."""
        niceness.come_after()

    def execute(self, requests: list[Any]) -> list[Any]:
        """Every request is a study."""
        return answer(DICOM_VOLUME, requests, work, with_parameters=True)
