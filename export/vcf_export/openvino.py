# SPDX-License-Identifier: Apache-2.0
"""ONNX → int8 for the CPU: the encoder quantised by NNCF with ranges from patches of real CTs.

The result, ``model.int8.xml`` with ``model.int8.bin``, lies beside ``model.onnx`` and is served by the form
``cpu-int8`` alone. Detector and head stay float32: a box that moves moves every patch, and the head takes no time. The
float32 and bf16 forms need no file of their own: OpenVINO reads ``model.onnx``.
"""

import logging
from pathlib import Path
from typing import Any

import nncf
import numpy as np
import openvino
from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters
from nncf.quantization.range_estimator import RangeEstimatorParametersSet
from numpy.typing import NDArray

from vcf_contract.contract import PATCH_ENCODER, PATCHES
from vcf_contract.errors import SetupError
from vcf_export.passport_writer import record_derived
from vcf_server.passport import ONNX

INT8 = "model.int8.xml"
BATCH = 16


def quantise(repository: Path, calibration: NDArray[np.float32]) -> Path:
    """Write ``model.int8.xml`` with its passport beside the encoder's ``model.onnx``; its path.

    Parameters
    ----------
    calibration
        Patches (n, H, W, Z, 1) of real CTs.

    Raises
    ------
    SetupError
        A network's file is missing, or there are no patches.
    """
    if not len(calibration):
        raise SetupError("int8 needs patches of real CTs to calibrate with, and there are none")
    logging.getLogger("nncf").setLevel(logging.WARNING)
    batches = np.array_split(calibration, max(1, len(calibration) // BATCH))
    folder = repository / PATCH_ENCODER.name / "1"
    if not (folder / ONNX).is_file():
        raise SetupError(f"no {PATCH_ENCODER.name}/1/{ONNX} in {repository}: run `vcf export onnx` first")
    quantised = nncf.quantize(
        openvino.Core().read_model(folder / ONNX),
        nncf.Dataset(batches, lambda batch: {PATCHES.name: batch}),
        target_device=nncf.TargetDevice.CPU,
        preset=nncf.QuantizationPreset.PERFORMANCE,
        subset_size=len(batches),
        # Ranges that lose least by a histogram of each layer's values, not by its extremes, which metal and bone set.
        advanced_parameters=AdvancedQuantizationParameters(
            activations_range_estimator_params=RangeEstimatorParametersSet.HISTOGRAM
        ),
    )
    path = folder / INT8
    part = folder / "part.xml"
    _number(quantised)
    openvino.save_model(quantised, part, compress_to_fp16=False)
    part.with_suffix(".bin").replace(path.with_suffix(".bin"))
    part.replace(path)
    record_derived(path, precision="int8", calibration_patches=len(calibration))
    return path


def _number(model: Any) -> None:
    """Names by the order of execution: those given while quantising count everything the process has made."""
    for number, node in enumerate(model.get_ordered_ops()):
        if node.get_type_name() not in ("Parameter", "Result"):
            node.set_friendly_name(f"{node.get_type_name()}_{number}".lower())
