# SPDX-License-Identifier: Apache-2.0
"""``vcf bench inputs``: one real study as requests to every entry model, for NVIDIA's own load generators.

Random and zero volumes are refused, so perf_analyzer needs real ones: ``MODEL.json`` for ``--input-data``, and
``model_analyzer.yaml`` for Model Analyzer. What the Python client would send is written down as it sends it.
"""

import argparse
import base64
import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vcf_benchmarks.harness.served import served
from vcf_benchmarks.harness.studies import demo_series
from vcf_client.calls import Blocking, finish
from vcf_client.core import DEFAULT_DEADLINE_S
from vcf_client.dicom.files import read_all
from vcf_client.endpoint import Connection
from vcf_client.message import Answer, Inputs
from vcf_client.reader import read_study
from vcf_client.retry import Retry
from vcf_client.routes import Route, by_crop, place
from vcf_client.servers import Servers
from vcf_contract import contract
from vcf_contract.contract import Ensemble, Tensor
from vcf_preprocess.geometry import Volume
from vcf_server.assets import MODEL_REPOSITORY

ANALYZER_FILE = "model_analyzer.yaml"
LATENCY_BUDGET_MS = 5000
MAX_CONCURRENCY = 8
OUTPUT_BYTES = 4 << 20
"""Of shared memory for each output: several times the largest, the picture of a metre of spine."""


class _Recorded(Route):
    """A route that keeps what it sends."""

    sent: dict[str, Inputs]

    async def ask(self, entry: Ensemble, inputs: Inputs, *args: Any, **kwargs: Any) -> Answer:
        """Send, and keep."""
        self.sent[entry.name] = inputs
        return await super().ask(entry, inputs, *args, **kwargs)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Write the files; their sizes, and the commands that use them."""
    args.out.mkdir(parents=True, exist_ok=True)
    series = args.study or demo_series()
    with served(args.server) as server:
        requests = recorded(server.address, series)
        files = {}
        for model, inputs in requests.items():
            path = args.out / f"{model}.json"
            path.write_text(json.dumps({"data": [document(inputs)]}), "utf-8")
            files[model] = {
                "file": str(path),
                "bytes": path.stat().st_size,
                "command": command(model, path, args.shared_memory),
            }
    analyzer = args.out / ANALYZER_FILE
    analyzer.write_text(analyzer_configuration(args.out, args.server or "127.0.0.1:8001"), "utf-8")
    return {"files": files, "model_analyzer": str(analyzer)}


def table(figures: Mapping[str, Any]) -> list[str]:
    """Return a command for each entry model."""
    lines = [entry["command"] for entry in figures["files"].values()]
    return [*lines, f"model-analyzer profile --config-file {figures['model_analyzer']}"]


def recorded(address: str, series: Path) -> dict[str, Inputs]:
    """Inputs of every entry model for a series of DICOM files, by the entry model's name."""
    study = read_study(series)
    volume = study.volume
    sent: dict[str, Inputs] = {
        contract.VCF.name: [(contract.VOLUME, volume.hu), *place(volume)],
        contract.VCF_DICOM.name: [(contract.DICOM_FILES, read_all(series))],
    }
    finish(_record_crop(address, volume, sent))
    return sent


async def _record_crop(address: str, volume: Volume, sent: dict[str, Inputs]) -> None:
    calls = Blocking()
    servers = Servers([address], Connection(), Retry(), calls)
    try:
        route = _Recorded(servers, calls, "inputs", DEFAULT_DEADLINE_S, contract.Priority.ROUTINE)
        route.sent = sent
        async with route:
            await by_crop(route, volume)
    finally:
        await servers.close()


def document(inputs: Sequence[tuple[Tensor, Any]]) -> dict[str, Any]:
    """One request as an entry of ``data`` in perf_analyzer's input file: raw bytes in base64, and the shape."""
    return {tensor.name: _entry(content) for tensor, content in inputs}


def _entry(content: Any) -> dict[str, Any]:
    if isinstance(content, np.ndarray):
        raw, shape = np.ascontiguousarray(content).tobytes(), list(content.shape)
    else:
        raw, shape = b"".join(len(one).to_bytes(4, "little") + one for one in content), [len(content)]
    return {"content": {"b64": base64.b64encode(raw).decode("ascii")}, "shape": shape}


def command(model: str, file: Path, shared_memory: bool = False) -> str:
    """Tell how perf_analyzer is called with a file: closed loop, one study at a time.

    With shared memory it lays the file's tensors into regions that it registers with the server, and takes the answer's
    from such too. It cannot know how large those of variable shape will be.
    """
    words = ["perf_analyzer", "-m", model, "-i", "grpc", "-u", "127.0.0.1:8001", "--input-data", str(file)]
    if shared_memory:
        words += ["--shared-memory", "system", "--output-shared-memory-size", str(OUTPUT_BYTES)]
    return shlex.join([*words, "--concurrency-range", "1", "--percentile", "50"])


def analyzer_configuration(folder: Path, address: str) -> str:
    """Model Analyzer's file: ``vcf_crop`` on a server that runs, most studies a second within a budget of latency.

    The server's models stay as they are (`vcf bench sweep` varies them): of an ensemble Model Analyzer would search
    instances and batches, and in remote mode it can set none of them for the models inside.
    """
    host = address.rpartition(":")[0]
    return f"""# Made by `vcf bench inputs`, for a server whose models anybody may list: vcf serve --model-control
triton_launch_mode: remote
triton_grpc_endpoint: {address}
triton_http_endpoint: {host}:8000
triton_metrics_url: http://{host}:8002/metrics
client_protocol: grpc
reload_model_disable: true
model_repository: {MODEL_REPOSITORY}
output_model_repository_path: {folder / "model_analyzer"}
override_output_model_repository: true
checkpoint_directory: {folder / "checkpoints"}
export_path: {folder}
run_config_search_mode: quick
run_config_search_max_instance_count: 1
run_config_search_max_model_batch_size: 1
run_config_search_max_concurrency: {MAX_CONCURRENCY}
cpu_only_composing_models: [{", ".join(step.model for step in contract.VCF_CROP.steps)}]
profile_models:
  {contract.VCF_CROP.name}:
    cpu_only: true
    objectives: [perf_throughput]
    constraints:
      perf_latency_p99: {{max: {LATENCY_BUDGET_MS}}}
    perf_analyzer_flags:
      input-data: {folder / (contract.VCF_CROP.name + ".json")}
"""
