# SPDX-License-Identifier: Apache-2.0
"""Reduced precision written into the ONNX graph, for TensorRT: fp16, and int8 as quantise/dequantise pairs.

Networks in TensorRT are strongly typed, so a plan is as precise as its graph says. Tensors that enter and leave stay
float32: the contract does not change with the precision.
"""

import logging
import tempfile
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.transformers.float16 import convert_float_to_float16

from vcf_contract.contract import PATCH_ENCODER, PATCHES
from vcf_contract.errors import SetupError
from vcf_export.passport_writer import record_derived
from vcf_export.tensorrt import source
from vcf_server.passport import ONNX

CALIBRATION_BATCH = 16


def write_reduced(repository: Path, precision: str, calibration: NDArray[np.float32] | None = None) -> Path:
    """Write ``model.fp16.onnx`` or ``model.int8.onnx`` with its passport beside the encoder's ``model.onnx``; its path.

    Parameters
    ----------
    calibration
        Patches (n, H, W, Z, 1) of real CTs, needed for int8.

    Raises
    ------
    SetupError
        A network's file is missing, or int8 is asked for without calibration data.
    """
    folder = repository / PATCH_ENCODER.name / "1"
    graph = folder / ONNX
    if not graph.is_file():
        raise SetupError(f"no {PATCH_ENCODER.name}/1/{ONNX} in {repository}: run `vcf export onnx` first")
    known: dict[str, int] = {}
    if precision == "fp16":
        reduced = to_fp16(onnx.load(graph))
    elif calibration is None or not len(calibration):
        raise SetupError("int8 needs patches of real CTs to calibrate with, and there are none")
    else:
        reduced = to_int8(onnx.load(graph), calibration)
        known["calibration_patches"] = len(calibration)
    path = source(folder, PATCH_ENCODER, precision)
    path.write_bytes(reduced.SerializeToString(deterministic=True))
    record_derived(path, precision=precision, **known)
    return path


def to_fp16(network: onnx.ModelProto) -> onnx.ModelProto:
    """Weights and arithmetic in half precision, inputs and outputs in float32."""
    return convert_float_to_float16(network, keep_io_types=True)


def to_int8(network: onnx.ModelProto, calibration: NDArray[np.float32]) -> onnx.ModelProto:
    """Convolutions on int8: symmetric, one scale a filter and one a tensor, biases in float32 (all TensorRT takes)."""
    with tempfile.TemporaryDirectory(prefix="vcf-int8-") as folder:
        before, after = Path(folder, "before.onnx"), Path(folder, "after.onnx")
        onnx.save(network, before)
        logging.disable(logging.WARNING)  # it advises a preparation of the graph that ours needs not
        quantize_static(
            before,
            after,
            _Batches(calibration),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv"],
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            extra_options={"ActivationSymmetric": True, "WeightSymmetric": True, "QuantizeBias": False},
        )
        logging.disable(logging.NOTSET)
        return onnx.load(after)


class _Batches(CalibrationDataReader):  # type: ignore[misc]
    """Patches for ONNX Runtime's quantiser, some at a time."""

    def __init__(self, patches: NDArray[np.float32]) -> None:
        parts = np.array_split(patches, max(1, len(patches) // CALIBRATION_BATCH))
        self._batches = iter([{PATCHES.name: part} for part in parts])

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        return next(self._batches, None)
