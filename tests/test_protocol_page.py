# SPDX-License-Identifier: Apache-2.0
"""Every code block of docs/protocol.md is run, and what the page says of HTTP and bytes is so."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.clients.ct_series import CtSeries
from vcf_contract.contract import VCF_DICOM
from vcf_contract.errors import REFUSAL
from vcf_contract.version import VERSION

if TYPE_CHECKING:
    from vcf_server.server import TritonServer

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "protocol.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
SHELL = [block for language, block in BLOCKS if language == "bash"]


def test_every_block_is_of_a_kind_that_is_tested() -> None:
    assert PAGE.count("```") == 2 * len(BLOCKS)
    assert {language for language, _ in BLOCKS} == {"bash", "json", "text"}
    assert len(SHELL) == 3


def test_blocks_that_are_not_run() -> None:
    for language, block in BLOCKS:
        if language == "json":
            assert {tensor["name"] for tensor in json.loads(block)["outputs"]} <= {t.name for t in VCF_DICOM.outputs}
        if language == "text":
            assert block == REFUSAL + "\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("protocol")
    # Over 5 MB, from where the wrong content type ends Triton.
    paths = CtSeries(slices=60, size=256).write(folder / "study")
    assert sum(path.stat().st_size for path in paths) > 6e6
    shutil.copy(paths[0], folder / "slice.dcm")
    return folder


def run(block: str, server: TritonServer, folder: Path) -> str:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    assert "127.0.0.1:8000" in block
    script = "set -euo pipefail\n" + block.replace("127.0.0.1:8000", server.http_url)
    done = subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.server
def test_a_study_by_curl(triton_server: TritonServer, folder: Path) -> None:
    answer = json.loads(run(SHELL[0], triton_server, folder))
    (shown,) = (json.loads(block) for language, block in BLOCKS if language == "json")
    assert answer.keys() >= shown.keys()
    found = {tensor["name"]: tensor for tensor in answer["outputs"]}
    assert found.keys() == {tensor["name"] for tensor in shown["outputs"]}
    assert max(found["patch_scores"]["data"]) == found["study_score"]["data"][0]


@pytest.mark.server
def test_a_refusal_by_curl(triton_server: TritonServer, folder: Path) -> None:
    sentence, status = run(SHELL[1], triton_server, folder).splitlines()
    assert sentence.startswith("TOO_SHORT: ") and status == "400"


@pytest.mark.server
def test_the_contract_by_curl(triton_server: TritonServer, folder: Path) -> None:
    version, count = run(SHELL[2], triton_server, folder).splitlines()
    assert VERSION in version and count == "1"


def post(server: TritonServer, model: str, head: dict[str, Any], tensors: bytes = b"") -> tuple[int, bytes, Any]:
    text = json.dumps(head).encode()
    request = urllib.request.Request(
        f"http://{server.http_url}/v2/models/{model}/infer",
        text + tensors,
        {"Inference-Header-Content-Length": str(len(text)), "Content-Type": "application/octet-stream"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read(), error.headers


def dicom_request(folder: Path, **more: Any) -> tuple[dict[str, Any], bytes]:
    files = [path.read_bytes() for path in sorted((folder / "study").iterdir())]
    raw = b"".join(len(file).to_bytes(4, "little") + file for file in files)
    tensor = {"name": "dicom_files", "datatype": "BYTES", "shape": [len(files)]}
    return {"inputs": [tensor | {"parameters": {"binary_data_size": len(raw)}}], **more}, raw


@pytest.mark.server
def test_http_statuses(triton_server: TritonServer, folder: Path) -> None:
    assert post(triton_server, "nothing", {"inputs": []})[0] == 404
    assert post(triton_server, "vcf", {"inputs": []})[0] == 400
    status, text, _ = post(triton_server, "vcf_dicom", *dicom_request(folder, id="late", parameters={"timeout": 1000}))
    assert (status, b"DEADLINE_EXCEEDED: " in text) in ((400, True), (503, False))  # in a step, or in a queue


@pytest.mark.server
def test_admission_by_http_as_json(triton_server: TritonServer) -> None:
    def ask(word: str) -> tuple[int, Any]:
        tensor = {"name": "admission_request", "datatype": "BYTES", "shape": [1], "data": [word]}
        head = {"id": "by HTTP", "parameters": {"timeout": 10**7}, "inputs": [tensor]}
        status, body, _ = post(triton_server, "admission", head)
        return status, json.loads(body)

    status, answer = ask("routine")
    assert status == 200 and answer["outputs"][0]["data"][0] >= 1
    assert ask("leave")[0] == 200
    assert ask("no such word")[0] == 400


@pytest.mark.server
def test_outputs_as_bytes(triton_server: TritonServer, folder: Path) -> None:
    wanted = [{"name": name, "parameters": {"binary_data": True}} for name in ("patient_affine", "selection")]
    head, raw = dicom_request(folder, outputs=wanted)
    status, body, headers = post(triton_server, "vcf_dicom", head, raw)
    assert status == 200
    length = int(headers["Inference-Header-Content-Length"])
    rest = body[length:]
    for output in json.loads(body[:length])["outputs"]:
        size = output["parameters"]["binary_data_size"]
        content, rest = rest[:size], rest[size:]
        if output["name"] == "patient_affine":
            assert size == 4 * 4 * 8
        else:
            assert int.from_bytes(content[:4], "little") == len(content) - 4 and content[4:].startswith(b"series 1 ")
    assert not rest
