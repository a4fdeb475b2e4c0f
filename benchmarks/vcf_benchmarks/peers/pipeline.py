# SPDX-License-Identifier: Apache-2.0
"""Tell what every peer computes: the shipped ONNX files on ONNX Runtime, between the shared preparation and
aggregation.

Settings come from the environment, which every one of the frameworks hands on to its worker processes.
"""

import base64
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from vcf_contract import contract
from vcf_contract.contract import FRACTURE_FINDINGS, NETWORKS, PATCH_ENCODER, SEQUENCE_HEAD, SPINAL_CORD_DETECTOR, Model
from vcf_preprocess import admission, slices, spine
from vcf_preprocess.aggregate import study_scores
from vcf_runtime import operating_point

MODELS = "VCF_PEER_MODELS"
"""Environment variable: folder of the model repository."""
WORKERS = "VCF_PEER_WORKERS"
"""Environment variable: worker processes of a server."""
THREADS = "VCF_PEER_THREADS"
"""Environment variable: threads that a network may use in each worker."""

MIDSAGITTAL_SHAPE = "midsagittal_shape"


class Pipeline:
    """The way from a canonical volume to the answer that a client gets; threads may share it."""

    def __init__(self, models: Path, threads: int) -> None:
        self._networks = {m.name: _session(models, m, threads) for m in NETWORKS}
        self._aggregation = operating_point.read(models, "1", FRACTURE_FINDINGS.name).aggregation

    @classmethod
    def from_environment(cls) -> "Pipeline":
        """Make it as the driver's environment says."""
        return cls(Path(os.environ[MODELS]), int(os.environ[THREADS]))

    def __call__(
        self, voxels: Any, shape: list[int], spacing_mm: list[float], slice_location_mm: float
    ) -> dict[str, Any]:
        """Return all findings, ready for JSON.

        Parameters
        ----------
        voxels
            A buffer of little-endian int16 in HU, canonical order (z, y, x).

        Raises
        ------
        StudyRefused
            As the product refuses it.
        """
        hu = np.frombuffer(voxels, "<i2").reshape(shape)
        spacing = admission.check(hu, np.array(spacing_mm, np.float32))
        indices = slices.pick_body(hu, spacing, slice_location_mm)
        images = slices.detector_images(hu, spacing, indices)
        (canal_grid,) = self._run(SPINAL_CORD_DETECTOR, images)
        found = spine.prepare(hu, spacing, indices, canal_grid, self._aggregation.overlap, slice_location_mm)
        (features,) = self._run(PATCH_ENCODER, found.patches)
        patch, study = self._run(SEQUENCE_HEAD, features, found.location)
        score, scores, probabilities = study_scores(patch, study, self._aggregation)
        return {
            contract.STUDY_SCORE.name: float(score),
            contract.PATCH_SCORES.name: scores.tolist(),
            contract.PATCH_PROBABILITIES.name: probabilities.tolist(),
            contract.PATCH_BOXES_MM.name: found.patch_boxes_mm.tolist(),
            contract.LOCATION.name: found.location.tolist(),
            contract.CENTRE_LINE_MM.name: found.centre_line_mm.tolist(),
            contract.FLAGS.name: [str(flag) for flag in found.flags],
            contract.MIDSAGITTAL.name: base64.b64encode(found.midsagittal.tobytes()).decode(),
            MIDSAGITTAL_SHAPE: found.midsagittal.shape,
            contract.MIDSAGITTAL_MM.name: [float(value) for value in found.midsagittal_mm],
        }

    def _run(self, model: Model, *inputs: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        feed = {tensor.name: array for tensor, array in zip(model.inputs, inputs, strict=True)}
        outputs: list[NDArray[np.float32]] = self._networks[model.name].run([t.name for t in model.outputs], feed)
        return outputs


def workers() -> int:
    """Return how many worker processes the driver asks for."""
    return int(os.environ[WORKERS])


def _session(models: Path, model: Model, threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    path = models / model.name / "1" / "model.onnx"
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
