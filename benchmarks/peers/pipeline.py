# SPDX-License-Identifier: Apache-2.0
"""What every peer computes: the shipped ONNX files on ONNX Runtime, between the shared preparation and aggregation.

Settings come from the environment, which every one of the frameworks hands on to its worker processes.
"""

import base64
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from preprocess import admission, slices, spine
from preprocess.aggregate import study_scores
from vcf import contract
from vcf.contract import ENCODERS, HEADS, SPINAL_CORD_DETECTOR, Model

# As in backends/onnxruntime: no reports to the library's vendor.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime

MODELS = "VCF_PEER_MODELS"
"""Environment variable: folder of the model repository."""
WORKERS = "VCF_PEER_WORKERS"
"""Environment variable: worker processes of a server."""
THREADS = "VCF_PEER_THREADS"
"""Environment variable: threads that a network may use in each worker."""

MIDSAGITTAL_SHAPE = "midsagittal_shape"


class Pipeline:
    """From a canonical volume to the answer that a client gets; may be shared by threads."""

    def __init__(self, models: Path, threads: int) -> None:
        self._networks = {m.name: _session(models, m, threads) for m in (SPINAL_CORD_DETECTOR, *ENCODERS, *HEADS)}

    @classmethod
    def from_environment(cls) -> "Pipeline":
        """As the driver set it up."""
        return cls(Path(os.environ[MODELS]), int(os.environ[THREADS]))

    def __call__(self, voxels: Any, shape: list[int], spacing_mm: list[float]) -> dict[str, Any]:
        """All findings, ready for JSON.

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
        indices = slices.pick(len(hu), spacing[0])
        images = slices.detector_images(hu, spacing, indices)
        found = spine.prepare(hu, spacing, indices, self._run(SPINAL_CORD_DETECTOR, images))
        members = [
            self._run(head, self._run(encoder, found.patches), found.location)
            for encoder, head in zip(ENCODERS, HEADS, strict=True)
        ]
        score, scores, probabilities = study_scores(np.stack(members))
        return {
            contract.STUDY_SCORE.name: score,
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

    def _run(self, model: Model, *inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        feed = {tensor.name: array for tensor, array in zip(model.inputs, inputs, strict=True)}
        output: NDArray[np.float32] = self._networks[model.name].run([model.outputs[0].name], feed)[0]
        return output


def workers() -> int:
    """How many worker processes the driver asks for."""
    return int(os.environ[WORKERS])


def _session(models: Path, model: Model, threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    path = models / model.name / "1" / "model.onnx"
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
