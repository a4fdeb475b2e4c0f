# SPDX-License-Identifier: Apache-2.0
"""What Triton's Python stub gives a model, so that models and backends can be tested in this process.

Importing this module provides ``triton_python_backend_utils``.
"""

import importlib.util
import json
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import numpy as np
from google.protobuf import json_format, text_format
from tritonclient.grpc import model_config_pb2

ROOT = Path(__file__).resolve().parents[1]


def config_text(folder, form="cpu"):
    """What Triton reads of a model in a form: ``config.pbtxt`` where the form changes nothing."""
    of_form = folder / "configs" / f"{form}.pbtxt"
    return (of_form if of_form.is_file() else folder / "config.pbtxt").read_text()


class Tensor:
    def __init__(self, name, array):
        if not isinstance(array, np.ndarray):
            raise TypeError(f"Tensor takes an array, found {type(array).__name__}")
        self._name, self._array = name, array

    def name(self):
        return self._name

    def as_numpy(self):
        return self._array


class TritonError:
    UNKNOWN, INTERNAL, NOT_FOUND, INVALID_ARG, UNAVAILABLE, CANCELLED = range(6)

    def __init__(self, message, code=INTERNAL):
        self._message, self._code = message, code

    def message(self):
        return self._message

    def code(self):
        return self._code


class InferenceResponse:
    def __init__(self, output_tensors=(), error=None):
        self._outputs, self._error = list(output_tensors), error

    def output_tensors(self):
        return self._outputs

    def has_error(self):
        return self._error is not None

    def error(self):
        return self._error

    def arrays(self):
        assert not self.has_error(), self._error.message()
        return {tensor.name(): tensor.as_numpy() for tensor in self._outputs}


class Request:
    def __init__(self, inputs, outputs, parameters=None, request_id="", timeout=0):
        self._inputs, self._outputs, self._parameters = inputs, list(outputs), parameters or {}
        self._request_id, self._timeout = request_id, timeout

    def parameters(self):
        return json.dumps(self._parameters)

    def request_id(self):
        return self._request_id

    def timeout(self):
        """In microseconds; 0 for none."""
        return self._timeout

    def requested_output_names(self):
        return self._outputs

    def get_response_sender(self):
        return ResponseSender(self)

    def on_response(self, response):
        """What a test does with a response that was sent, not returned."""


TRITONSERVER_RESPONSE_COMPLETE_FINAL = 1


class ResponseSender:
    """Sends one response, as of a model that is not decoupled."""

    def __init__(self, request):
        self._request, self._open = request, True

    def send(self, response, flags=0):
        assert self._open and flags == TRITONSERVER_RESPONSE_COMPLETE_FINAL
        self._open = False
        self._request.on_response(response)


class Logger:
    errors: ClassVar[list[str]] = []

    @classmethod
    def log_error(cls, text):
        cls.errors.append(text)


class MetricFamily:
    """Keeps the values of all metrics: ``values[name, labels]``."""

    COUNTER, GAUGE = "counter", "gauge"
    values: ClassVar[dict] = {}

    def __init__(self, name, description, kind):
        self.name = name

    def Metric(self, labels):
        return Metric((self.name, tuple(labels.items())))


class Metric:
    def __init__(self, key):
        self.key = key

    def increment(self, by):
        MetricFamily.values[self.key] = MetricFamily.values.get(self.key, 0) + by

    def set(self, value):
        MetricFamily.values[self.key] = value


def counted(name, labels, value):
    """Tell whether a metric reaches a value: refusals are counted in a moment."""
    end = time.monotonic() + 10
    while MetricFamily.values.get((name, labels)) != value and time.monotonic() < end:
        time.sleep(0.01)
    return MetricFamily.values.get((name, labels)) == value


def get_input_tensor_by_name(request, name):
    array = request._inputs.get(name)
    return None if array is None else Tensor(name, array)


def load(path: Path) -> ModuleType:
    """A ``model.py`` as the stub loads it."""
    spec = importlib.util.spec_from_file_location("_".join(path.parts[-3:]).removesuffix(".py"), path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def arguments(model: Path, config: str, version: str = "1") -> dict[str, str]:
    """What ``initialize`` is called with for a model folder and the text of its configuration."""
    message = text_format.Parse(config, model_config_pb2.ModelConfig())
    content = json.loads(
        json_format.MessageToJson(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    )
    return {
        "model_config": json.dumps(content),
        "model_repository": str(model),
        "model_version": version,
        "model_name": message.name,
        "model_instance_name": f"{message.name}_0",
        "model_instance_kind": "CPU",
        "model_instance_device_id": "0",
    }


_stub = ModuleType("triton_python_backend_utils")
for _member in (Tensor, TritonError, InferenceResponse, Logger, MetricFamily, get_input_tensor_by_name):
    setattr(_stub, _member.__name__, _member)
_stub.TRITONSERVER_RESPONSE_COMPLETE_FINAL = TRITONSERVER_RESPONSE_COMPLETE_FINAL
sys.modules.setdefault("triton_python_backend_utils", _stub)
