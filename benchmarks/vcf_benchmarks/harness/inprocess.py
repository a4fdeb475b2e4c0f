# SPDX-License-Identifier: Apache-2.0
"""The served pipeline in one plain Python process: the same preparation, network files and runtimes, without Triton.

What Triton costs is measured against this, so it is meant to be as fast as such a program gets without becoming
another one: nothing is copied, every network is compiled once, and all cores work on one study or, for throughput,
each on a study of its own.
"""

import os
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import onnxruntime
import openvino
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from vcf_contract.contract import (
    FEATURE_ROWS,
    FRACTURE_FINDINGS,
    LOCATION,
    PATCH_ENCODER,
    PATCHES,
    SEQUENCE_HEAD,
    SLICE_IMAGES,
    SPINAL_CORD_DETECTOR,
    Model,
)
from vcf_export.config import CPU, ONNX_RUNTIME_TINY, network_runtime
from vcf_preprocess import admission, slices, spine
from vcf_preprocess.aggregate import study_scores
from vcf_preprocess.geometry import Volume
from vcf_runtime import operating_point
from vcf_server.assets import MODEL_REPOSITORY

Floats = NDArray[np.float32]

# The first array that OpenVINO's binding is given initialises a static of C++, and lets the interpreter's lock go
# meanwhile. Two threads that come first at the same time then wait for each other for ever, each with one of the locks.
openvino.Tensor(np.zeros(1, np.float32), shared_memory=True)


@dataclass(frozen=True)
class Scores:
    """The findings of one study, as the contract names them."""

    study_score: float
    patch_scores: NDArray[np.float64]
    spine: spine.Spine


class Pipeline:
    """The way from a canonical volume to its scores. Threads may share it; use it as a context manager or close it.

    Parameters
    ----------
    repository
        The model repository whose ``cpu`` form is served.
    studies_at_once
        1 gives all cores to one study, for the least latency. More is for as many threads that call `analyze`: each
        study has its share of the cores, which wastes none on waiting for each other.
    """

    def __init__(self, repository: Path = MODEL_REPOSITORY, *, studies_at_once: int = 1) -> None:
        if studies_at_once < 1:
            raise ValueError(f"studies_at_once is {studies_at_once}, it must be 1 or more")
        cores = len(os.sched_getaffinity(0))
        self.studies_at_once = studies_at_once
        streams = {} if studies_at_once == 1 else {"NUM_STREAMS": str(min(studies_at_once, cores))}
        self._detector = _OpenVino(repository, SPINAL_CORD_DETECTOR, streams)
        self._encoder = _OpenVino(repository, PATCH_ENCODER, streams)
        self._head = _head(repository, SEQUENCE_HEAD)
        self._aggregation = operating_point.read(repository, "1", FRACTURE_FINDINGS.name).aggregation
        self._threads = max(1, cores // studies_at_once)
        # The preparation divides its work itself, which wastes less than threads of single small products do.
        self._blas = ThreadpoolController().limit(limits=1, user_api="blas")

    def __enter__(self) -> "Pipeline":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give NumPy back the threads that it had."""
        self._blas.restore_original_limits()

    def analyze(self, volume: Volume) -> Scores:
        """Scores of a canonical volume.

        Raises
        ------
        StudyRefused
            As the server refuses it.
        """
        hu, location_mm = volume.hu, volume.slice_location_mm
        spacing = admission.check(hu, np.asarray(volume.spacing_mm, np.float32))
        indices = slices.pick_body(hu, spacing, location_mm)
        images = slices.detector_images(hu, spacing, indices, threads=self._threads)
        canal_grid = self.canal_grid(images)
        line = spine.locate(hu.shape, spacing, indices, canal_grid)
        found = spine.reconstruct(
            hu, spacing, line, threads=self._threads, overlap=self._aggregation.overlap, location_mm=location_mm
        )
        answers = self.probabilities(found.patches, found.location)
        score, patch_scores, _ = study_scores(*answers, self._aggregation)
        return Scores(float(score), patch_scores, found)

    def canal_grid(self, images: Floats) -> Floats:
        """Run the detector alone: slice images (n, 256, 256, 1) to its raw answer."""
        return self._detector({SLICE_IMAGES.name: images})

    def probabilities(self, tiles: Floats, location: Floats) -> tuple[Floats, Floats]:
        """Classify patches alone: to patch (members, flips, k) and study (members, flips) probabilities."""
        features = self._encoder({PATCHES.name: tiles})
        names = [tensor.name for tensor in SEQUENCE_HEAD.outputs]
        patch, study = self._head.run(names, {FEATURE_ROWS.name: features, LOCATION.name: location})
        return patch, study


def openvino_properties(model: Model) -> dict[str, Any]:
    """Return how the ``cpu`` form's backend compiles a network (``backends/openvino/model.py``)."""
    parameters = network_runtime(model, CPU).parameters
    asked = {key: parameters[key] for key in ("NUM_STREAMS", "PERFORMANCE_HINT")}
    return {"INFERENCE_PRECISION_HINT": "f32", "ENABLE_CPU_PINNING": False, **asked}


class _OpenVino:
    """One network; every thread has an inference request of its own."""

    def __init__(self, repository: Path, model: Model, changed: dict[str, str]) -> None:
        core = openvino.Core()
        runtime = network_runtime(model, CPU)
        network = core.read_model(repository / model.name / "1" / runtime.file_name)
        self._compiled = core.compile_model(network, "CPU", openvino_properties(model) | changed)
        self._output = model.outputs[0].name
        self._of_thread = threading.local()

    def __call__(self, inputs: dict[str, Floats]) -> Floats:
        request = getattr(self._of_thread, "request", None)
        if request is None:
            request = self._of_thread.request = self._compiled.create_infer_request()
        result: Floats = request.infer(inputs, share_inputs=True, share_outputs=True)[self._output]
        return result


def _head(repository: Path, model: Model) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(ONNX_RUNTIME_TINY["intra_op_thread_count"])
    path = repository / model.name / "1" / network_runtime(model, CPU).file_name
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
