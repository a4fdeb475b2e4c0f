# SPDX-License-Identifier: Apache-2.0
"""Answers of forms, made up, and the figures of their comparison."""

import numpy as np

from vcf_export import parity
from vcf_export.parity import Answer, compare

THRESHOLD = 0.5


def answers(*scores: float | None, change: float = 0.0) -> list[Answer]:
    """Studies of two patches, every second one fractured; None is a refusal."""
    return [
        Answer(f"s{i}", i % 2 == 1, None if s is None else (s + change, np.array([0.0, s + change])))
        for i, s in enumerate(scores)
    ]


REFERENCE = answers(0.1, 0.9, 0.2, 0.8)


def figures() -> dict:
    checks = [
        compare("ONNX Runtime", REFERENCE, REFERENCE, THRESHOLD),
        compare("OpenVINO int8", REFERENCE, answers(0.85, 0.9, 0.2, 0.8), THRESHOLD),
        {"name": "TensorRT fp32", **parity._NO_FIGURES, "not_run": "not run here: no GPU"},
    ]
    scores = {
        a.study: {"Keras": a.scores and a.scores[0], "ONNX Runtime": 0.1, "OpenVINO int8": 0.2} for a in REFERENCE
    }
    head = {"reference": "Keras", "threshold": THRESHOLD, "studies": {"phantom": 4}, "fractured": 2, "refused": 0}
    return {**head, "reference_auc": 1.0, "checks": checks, "scores": scores}
