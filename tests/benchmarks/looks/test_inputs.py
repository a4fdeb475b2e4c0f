# SPDX-License-Identifier: Apache-2.0
"""The requests that are written for NVIDIA's load generators are whole, and taken by a server as they are."""

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.clients.ct_series import CtSeries
from vcf_benchmarks.looks import inputs
from vcf_cli import main
from vcf_contract.contract import ENSEMBLES
from vcf_server.assets import MODEL_REPOSITORY
from vcf_server.server import TritonServer

pytestmark = pytest.mark.server
TOOLS = Path(__file__).parents[3] / ".venv-nvidia-tools" / "bin"
PATH = f"{TOOLS}{os.pathsep}{os.environ['PATH']}"


@pytest.fixture(scope="module")
def written(triton_server: TritonServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    CtSeries(slices=40).write(folder / "study")
    words = ["--study", str(folder / "study"), "--server", triton_server.grpc_url]
    assert main(["bench", "inputs", str(folder / "out"), *words]) == 0
    return folder / "out"


@pytest.mark.parametrize("entry", ENSEMBLES, ids=lambda entry: entry.name)
def test_a_request_has_every_input_and_is_answered(entry: Any, written: Path, triton_server: TritonServer) -> None:
    from tritonclient.grpc import InferenceServerClient, InferInput

    (request,) = json.loads((written / f"{entry.name}.json").read_text("utf-8"))["data"]
    assert request.keys() == {tensor.name for tensor in entry.inputs}
    made = []
    for tensor in entry.inputs:
        made.append(InferInput(tensor.name, request[tensor.name]["shape"], tensor.dtype))
        made[-1]._raw_content = base64.b64decode(request[tensor.name]["content"]["b64"], validate=True)
    with InferenceServerClient(triton_server.grpc_url) as client:
        answer = client.infer(entry.name, made)
    assert answer.as_numpy(entry.outputs[0].name).size


def test_commands_and_the_configuration_name_the_files(written: Path) -> None:
    configuration = yaml.safe_load((written / inputs.ANALYZER_FILE).read_text("utf-8"))
    assert configuration["triton_launch_mode"] == "remote"
    ((model, settings),) = configuration["profile_models"].items()
    assert Path(settings["perf_analyzer_flags"]["input-data"]) == written / f"{model}.json"
    assert str(written / "vcf.json") in inputs.command("vcf", written / "vcf.json")


def test_commands_by_shared_memory(
    written: Path, triton_server: TritonServer, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--study", str(written.parent / "study"), "--server", triton_server.grpc_url, "--shared-memory"]
    assert main(["bench", "inputs", str(written.parent / "by_shared_memory"), *words]) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("perf_analyzer ")]
    assert len(said) == len(ENSEMBLES)
    assert all(f"--shared-memory system --output-shared-memory-size {inputs.OUTPUT_BYTES}" in line for line in said)
    assert "--shared-memory" not in inputs.command("vcf", written / "vcf.json")


def tool(name: str) -> str:
    """Path of one of NVIDIA's tools; the test skips where it is not there or cannot be loaded."""
    path = shutil.which(name, path=PATH)
    if path is None:
        pytest.skip(f"{name} is not installed (`make nvidia-tools` does)")
    said = subprocess.run([path, "--help"], capture_output=True, text=True, timeout=300, check=False)
    if "error while loading shared libraries" in said.stderr:
        pytest.skip(f"{name} cannot be loaded: {said.stderr.strip()}")
    return path


@pytest.mark.slow
@pytest.mark.parametrize("shared_memory", [False, True], ids=["in the message", "shared memory"])
@pytest.mark.parametrize("entry", ENSEMBLES, ids=lambda entry: entry.name)
def test_the_real_perf_analyzer(entry: Any, shared_memory: bool, written: Path, triton_server: TritonServer) -> None:
    perf_analyzer = tool("perf_analyzer")
    words = inputs.command(entry.name, written / f"{entry.name}.json", shared_memory)
    words = words.replace("127.0.0.1:8001", triton_server.grpc_url)
    counted = ["--measurement-mode", "count_windows", "--measurement-request-count", "5", "-s", "900"]
    done = subprocess.run(
        [perf_analyzer, *words.split()[1:], *counted], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Successful request count" in done.stdout or "Request count" in done.stdout


@pytest.mark.slow
@pytest.mark.skipif("VCF_TEST_MODEL_ANALYZER" not in os.environ, reason="takes ten minutes: VCF_TEST_MODEL_ANALYZER=1")
def test_the_real_model_analyzer(written: Path, tmp_path: Path) -> None:
    """It measures the server as it runs, to its end."""
    tool("perf_analyzer")
    model_analyzer = tool("model-analyzer")
    with TritonServer(MODEL_REPOSITORY, model_control=True) as server:
        text = (written / inputs.ANALYZER_FILE).read_text("utf-8")
        settings = yaml.safe_load(text)
        settings |= {
            "triton_grpc_endpoint": server.grpc_url,
            "triton_http_endpoint": server.http_url.removeprefix("http://"),
            "triton_metrics_url": server.metrics_url,
            "run_config_search_max_concurrency": 2,
            "perf_analyzer_timeout": 600,
        }
        ((_, model),) = settings["profile_models"].items()
        model["perf_analyzer_flags"] |= {"measurement-mode": "count_windows", "measurement-request-count": 5}
        file = tmp_path / "settings.yaml"
        file.write_text(yaml.safe_dump(settings), "utf-8")
        done = subprocess.run(
            [model_analyzer, "profile", "--config-file", str(file), "--skip-summary-reports"],
            capture_output=True,
            text=True,
            timeout=1200,
            check=False,
            cwd=tmp_path,
            env=os.environ | {"PATH": PATH},
        )
    said = done.stdout + done.stderr
    assert done.returncode == 0 and "Profile complete" in said, said
