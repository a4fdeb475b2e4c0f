# SPDX-License-Identifier: Apache-2.0
"""ONNX → int8 for the CPU: encoders quantised by NNCF with ranges from patches of real CTs.

The result, ``model.int8.xml`` with ``model.int8.bin``, lies beside ``model.onnx`` and is served by the form
``cpu-int8`` alone. Detector and heads stay float32: a box that moves moves every patch, and heads take no time. The
float32 and bf16 forms need no file of their own: OpenVINO reads ``model.onnx``.
"""

import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.passport import record_derived
from vcf.contract import ENCODERS, PATCHES
from vcf.errors import SetupError
from vcf.serve.passport import ONNX

# OpenVINO and NNCF report to a vendor's server unless this package is missing. Medical software does not.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]

INT8 = "model.int8.xml"
BATCH = 16


def quantise(repository: Path, calibration: NDArray[np.float32]) -> Iterator[Path]:
    """Write ``model.int8.xml`` with its passport beside each encoder's ``model.onnx``.

    Args:
        calibration: patches (n, H, W, Z, 1) of real CTs.

    Raises:
        SetupError: a network's file is missing, or there are no patches.
    """
    import nncf
    import openvino

    if not len(calibration):
        raise SetupError("int8 needs patches of real CTs to calibrate with, and there are none")
    logging.getLogger("nncf").setLevel(logging.WARNING)
    batches = np.array_split(calibration, max(1, len(calibration) // BATCH))
    for network in ENCODERS:
        folder = repository / network.name / "1"
        if not (folder / ONNX).is_file():
            raise SetupError(f"no {network.name}/1/{ONNX} in {repository}: run `vcf export onnx` first")
        quantised = nncf.quantize(
            openvino.Core().read_model(folder / ONNX),
            nncf.Dataset(batches, lambda batch: {PATCHES.name: batch}),
            target_device=nncf.TargetDevice.CPU,
            preset=nncf.QuantizationPreset.PERFORMANCE,
            subset_size=len(batches),
        )
        path = folder / INT8
        part = folder / "part.xml"
        _number(quantised)
        openvino.save_model(quantised, part, compress_to_fp16=False)
        part.with_suffix(".bin").replace(path.with_suffix(".bin"))
        part.replace(path)
        record_derived(path, precision="int8", calibration_patches=len(calibration))
        yield path


def _number(model: Any) -> None:
    """Names by the order of execution: those given while quantising count everything the process has made."""
    for number, node in enumerate(model.get_ordered_ops()):
        if node.get_type_name() not in ("Parameter", "Result"):
            node.set_friendly_name(f"{node.get_type_name()}_{number}".lower())
