# SPDX-License-Identifier: Apache-2.0
"""Runtimes that report their use to their vendors' servers are told not to: this is medical software."""

import os
import sys


def switch_off() -> None:
    """Keep OpenVINO, NNCF, ONNX Runtime and Ray from reporting; only before they are imported this has an effect.

    OpenVINO and NNCF report unless their package for it is missing, ONNX Runtime and Ray unless a variable says no.
    """
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
