# SPDX-License-Identifier: Apache-2.0
"""The served pipeline in one plain Python process: the same preparation, network files and runtimes, without Triton.

What Triton costs is measured against this, so it is meant to be as fast as such a program gets without becoming
another one: nothing is copied, every network is compiled once, and all cores work on one study or, for throughput,
each on a study of its own.
"""

import os
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from export.config import CPU, ONNX_RUNTIME_TINY, network_runtime
from preprocess import admission, slices, spine
from preprocess.aggregate import study_scores
from vcf.contract import (
    ENCODERS,
    FEATURE_ROWS,
    HEADS,
    LOCATION,
    PATCHES,
    SLICE_IMAGES,
    SPINAL_CORD_DETECTOR,
    Model,
)

sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # as in backends/openvino
import openvino  # noqa: E402

REPOSITORY = Path(__file__).resolve().parents[1] / "model_repository"
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Scores:
    """The findings of one study, as the contract names them."""

    study_score: float
    patch_scores: NDArray[np.float64]
    spine: spine.Spine


class Pipeline:
    """From a canonical volume to its scores. May be shared by threads; use it as a context manager or ``close()`` it.

    Parameters
    ----------
    repository
        The model repository whose ``cpu`` form is served.
    studies_at_once
        1 gives all cores to one study, for the least latency. More is for as many threads that call `analyze`: each
        study has its share of the cores, which wastes none on waiting for each other.
    """

    def __init__(self, repository: Path = REPOSITORY, *, studies_at_once: int = 1) -> None:
        if studies_at_once < 1:
            raise ValueError(f"studies_at_once is {studies_at_once}, it must be 1 or more")
        cores = len(os.sched_getaffinity(0))
        self.studies_at_once = studies_at_once
        streams = {} if studies_at_once == 1 else {"NUM_STREAMS": str(min(studies_at_once, cores))}
        self._detector = _OpenVino(repository, SPINAL_CORD_DETECTOR, streams)
        self._encoders = [_OpenVino(repository, encoder, streams) for encoder in ENCODERS]
        self._heads = [_head(repository, head) for head in HEADS]
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

    def analyze(self, hu: NDArray[np.int16], spacing_mm: tuple[float, float, float]) -> Scores:
        """Scores of a canonical volume (z, y, x).

        Raises
        ------
        StudyRefused
            As the server refuses it.
        """
        spacing = admission.check(hu, np.asarray(spacing_mm, np.float32))
        indices = slices.pick(len(hu), spacing[0])
        images = slices.detector_images(hu, spacing, indices, threads=self._threads)
        canal_grid = self.canal_grid(images)
        line = spine.locate(hu.shape, spacing, indices, canal_grid)
        found = spine.reconstruct(hu, spacing, line, threads=self._threads)
        score, patch_scores, _ = study_scores(self.probabilities(found.patches, found.location))
        return Scores(score, patch_scores, found)

    def canal_grid(self, images: Floats) -> Floats:
        """The detector alone: slice images (n, 256, 256, 1) to its raw answer."""
        return self._detector({SLICE_IMAGES.name: images})

    def probabilities(self, tiles: Floats, location: Floats) -> Floats:
        """The classification alone: patches of both flips to probabilities (members, flips, k)."""
        scored = []
        for encoder, head in zip(self._encoders, self._heads, strict=True):
            features = encoder({PATCHES.name: tiles})
            scored.append(head.run(None, {FEATURE_ROWS.name: features, LOCATION.name: location})[0])
        return np.stack(scored)


def openvino_properties(model: Model) -> dict[str, Any]:
    """How the ``cpu`` form's backend compiles a network (``backends/openvino/model.py``), with all cores: here the
    encoders follow one another.
    """
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
