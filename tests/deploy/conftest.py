# SPDX-License-Identifier: Apache-2.0
"""The real server on a small repository whose requests take as long as they say."""

import importlib.util
import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
KEY = "a-key-of-the-test"

TENSOR = '[{{ name: "{name}" data_type: TYPE_FP32 dims: [1] }}]'
WAIT_CONFIG = f"""
name: "wait"
backend: "python"
max_batch_size: 0
input {TENSOR.format(name="seconds")}
output {TENSOR.format(name="waited")}
instance_group [{{ count: 2 kind: KIND_CPU }}]
model_warmup [{{
  name: "none" batch_size: 1
  inputs {{ key: "seconds" value: {{ data_type: TYPE_FP32 dims: [1] zero_data: true }} }}
}}]
"""
WAIT_MODEL = """
import time
import uuid
from pathlib import Path
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        self.begun = Path(args["model_repository"]) / "begun"
        self.begun.mkdir(exist_ok=True)

    def execute(self, requests):
        responses = []
        for request in requests:
            seconds = pb_utils.get_input_tensor_by_name(request, "seconds").as_numpy()
            if seconds[0] < 0:
                responses.append(pb_utils.InferenceResponse(error=pb_utils.TritonError("BAD_INPUT: negative")))
                continue
            if seconds[0] > 0:
                (self.begun / uuid.uuid4().hex).touch()
            # Never done at once: both instances are at work when two requests are there.
            time.sleep(max(0.05, float(seconds[0])))
            responses.append(pb_utils.InferenceResponse([pb_utils.Tensor("waited", seconds.copy())]))
        return responses
"""
TWICE_CONFIG = f"""
name: "twice"
platform: "ensemble"
max_batch_size: 0
input {TENSOR.format(name="seconds")}
output {TENSOR.format(name="waited")}
ensemble_scheduling {{ step [
  {{ model_name: "wait" model_version: -1
     input_map {{ key: "seconds" value: "seconds" }} output_map {{ key: "waited" value: "between" }} }},
  {{ model_name: "wait" model_version: -1
     input_map {{ key: "seconds" value: "between" }} output_map {{ key: "waited" value: "waited" }} }}
] }}
"""


@dataclass
class Waiting:
    """A server with the model ``wait`` (two instances) and the ensemble ``twice`` (two steps of it)."""

    port: int
    grpc_port: int
    metrics_url: str
    models: Path

    def ask(self, model: str, seconds: float) -> str:
        """An error text, or nothing."""
        tensor = {"name": "seconds", "datatype": "FP32", "shape": [1], "data": [seconds]}
        return self.post(f"/v2/models/{model}/infer", {"inputs": [tensor]})

    def post(self, path: str, body: Any) -> str:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", json.dumps(body).encode(), {"vcf-admin": KEY}
        )
        try:
            with urllib.request.urlopen(request, timeout=120) as reply:
                reply.read()
                return ""
        except urllib.error.HTTPError as error:
            return str(json.load(error)["error"])

    def begun(self) -> int:
        """How many steps of some duration the model has begun."""
        return len(list((self.models / "wait" / "begun").glob("*")))

    def processes(self) -> list[int]:
        """Of the model's two instances."""
        return [
            int(entry.name)
            for entry in Path("/proc").iterdir()
            if entry.name.isdecimal() and str(self.models / "wait").encode() in _command_line(entry)
        ]


def _command_line(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[Waiting]:
    if importlib.util.find_spec("pytriton") is None:
        pytest.skip("the Triton server is not installed (nvidia-pytriton)")
    from vcf_server.server import TritonServer

    models = tmp_path / "models"
    for name, config in (("wait", WAIT_CONFIG), ("twice", TWICE_CONFIG)):
        (models / name / "1").mkdir(parents=True)
        (models / name / "config.pbtxt").write_text(config)
    (models / "wait" / "1" / "model.py").write_text(WAIT_MODEL)
    with TritonServer(models, admin_key=KEY) as server:
        yield Waiting(server.http_port, server.grpc_port, server.metrics_url, models)


@pytest.fixture(scope="session")
def script() -> Callable[[str], ModuleType]:
    """A program of deploy/ as a module."""

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"deploy_{name}", ROOT / "deploy" / f"{name}.py")
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], bool]:
    """Whether something comes true, on a machine that may be busy."""

    def wait(what: Callable[[], bool]) -> bool:
        ends_at = time.monotonic() + 120
        while not what():
            if time.monotonic() > ends_at:
                return False
            time.sleep(0.02)
        return True

    return wait
