# SPDX-License-Identifier: Apache-2.0
"""The shipped encoder alone in a repository, patches for it, and what its graph answers."""

import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from vcf_contract.contract import FEATURE_ROWS, PATCH_ENCODER, PATCHES
from vcf_export import passport_writer

REPOSITORY = Path(__file__).resolve().parents[2] / "model_repository"


def encoder_alone(folder: Path) -> Path:
    """Copy it to a model repository in a folder; the test skips where it is not exported."""
    graph = REPOSITORY / PATCH_ENCODER.name / "1" / "model.onnx"
    if not graph.is_file():
        pytest.skip("the networks are not exported: vcf export onnx")
    there = folder / PATCH_ENCODER.name / "1" / "model.onnx"
    there.parent.mkdir(parents=True)
    shutil.copyfile(graph, there)
    passport_writer.record(there, precision="fp32", weights_sha256="w" * 64)
    return folder


def coarse_patches() -> np.ndarray:
    """Sixteen patches of noise in steps of 4 voxels."""
    coarse = np.random.default_rng(3).random((16, 8, 8, 8), np.float32)
    return coarse.repeat(4, 1).repeat(4, 2).repeat(4, 3)[..., None]


def answer(model: onnx.ModelProto, patches: np.ndarray) -> np.ndarray:
    # As the graph says: fused to integer kernels, sums of bytes overflow on processors without VNNI.
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options)
    return session.run([FEATURE_ROWS.name], {PATCHES.name: patches})[0]
