# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI document is what the contract says, and the running server keeps to it: schemathesis asks."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import numpy as np
import pytest

from tests.clients.ct_series import CtSeries
from vcf_contract.contract import ENSEMBLES, VCF, VCF_CROP
from vcf_contract.version import VERSION
from vcf_export import openapi_document

if TYPE_CHECKING:
    from vcf_server.server import TritonServer

DOCUMENT = openapi_document.document()
SCHEMAS = DOCUMENT["components"]["schemas"]
CHECKS = "status_code_conformance,content_type_conformance,response_schema_conformance,response_headers_conformance"


def valid(name: str, value: Any) -> bool:
    schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    return bool(jsonschema.Draft202012Validator(schema).is_valid(value))


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (text for key, text in value.items() if key == "$ref")
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from references(part)


def test_the_copy_is_what_the_contract_says() -> None:
    assert openapi_document.COPY.read_text("utf-8") == openapi_document.text(), "python -m vcf_export.openapi_document"


def test_it_is_of_the_contracts_version_and_whole() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.") and DOCUMENT["info"]["version"] == VERSION
    assert set(references(DOCUMENT)) == {f"#/components/schemas/{name}" for name in SCHEMAS}
    for schema in SCHEMAS.values():
        jsonschema.Draft202012Validator.check_schema(schema)
    operations = [operation["operationId"] for path in DOCUMENT["paths"].values() for operation in path.values()]
    assert len(operations) == len(set(operations)) == 3 + 4 * len(ENSEMBLES)


def test_requests_that_fit_and_that_do_not() -> None:
    def tensor(name: str, dtype: str, *shape: int, **more: Any) -> dict[str, Any]:
        return {"name": name, "datatype": dtype, "shape": list(shape), **more}

    volume, spacing = tensor("volume", "INT16", 2, 16, 16, data=[-1024] * 512), tensor("spacing_mm", "FP32", 3)
    assert valid("vcf_request", {"inputs": [volume, spacing | {"data": [5.0, 1, 1]}]})
    assert valid("vcf_request", {"inputs": [spacing, volume], "parameters": {"timeout": 10**6, "priority": 1}})
    for request in (
        {},
        {"inputs": [volume]},
        {"inputs": [volume, spacing | {"shape": [2]}]},
        {"inputs": [volume, spacing | {"datatype": "FP64"}]},
        {"inputs": [volume | {"data": [1 << 15]}, spacing]},
        {"inputs": [volume | {"data": [0.5]}, spacing]},
        {"inputs": [volume, spacing], "parameters": {"timeout": 0}},
        {"inputs": [volume, spacing], "parameters": {"age_policy": "warn"}},
        {"inputs": [volume, spacing], "outputs": [{"name": "nothing"}]},
    ):
        assert not valid("vcf_request", request)
    files = tensor("dicom_files", "BYTES", 2, parameters={"binary_data_size": 8})
    assert valid("vcf_dicom_request", {"inputs": [files], "parameters": {"age_policy": "block"}})
    assert not valid("vcf_dicom_request", {"inputs": [files], "parameters": {"age_policy": "never"}})


def fetch(server: TritonServer, path: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(f"http://{server.http_url}{path}", data), timeout=120) as answer:
        return json.load(answer)


@pytest.mark.server
def test_a_study_as_json_fits_and_so_does_its_answer(triton_server: TritonServer) -> None:
    hu = np.stack([image.pixel_array for image in CtSeries(slices=60).images()])
    spacing = {"name": "spacing_mm", "datatype": "FP32", "shape": [3], "data": [5, 6.25, 6.25]}
    volume = {"name": "volume", "datatype": "INT16", "shape": list(hu.shape)}
    body = {"id": "study of a test", "inputs": [spacing, volume | {"data": hu.ravel().tolist()}]}
    assert valid("vcf_request", body | {"inputs": [spacing, volume | {"data": hu.ravel()[:500].tolist()}]})
    answer = fetch(triton_server, f"/v2/models/{VCF.name}/infer", body)
    jsonschema.validate(answer, {**DOCUMENT, **SCHEMAS["vcf_answer"]}, jsonschema.Draft202012Validator)
    assert {tensor["name"] for tensor in answer["outputs"]} == {tensor.name for tensor in VCF.outputs}
    assert not valid(f"{VCF_CROP.name}_answer", answer)


@pytest.mark.server
@pytest.mark.parametrize("entry", ENSEMBLES, ids=lambda entry: entry.name)
def test_metadata_and_configuration_fit(triton_server: TritonServer, entry: Any) -> None:
    assert valid(f"{entry.name}_metadata", fetch(triton_server, f"/v2/models/{entry.name}"))
    config = fetch(triton_server, f"/v2/models/{entry.name}/config")
    assert valid(f"{entry.name}_config", config)
    config["parameters"]["contract_version"]["string_value"] = "1.9.0"
    assert not valid(f"{entry.name}_config", config)


def schemathesis(server: TritonServer, folder: Path, document: Any, *words: str) -> subprocess.CompletedProcess[str]:
    if find_spec("schemathesis") is None:
        pytest.skip("schemathesis is not installed")
    file = folder / "openapi.json"
    file.write_text(json.dumps(document))
    program = [sys.executable, "-m", "schemathesis.cli", "run", str(file)]
    where = ["--url", f"http://{server.http_url}", "--request-timeout", "120", "--generation-database", "none"]
    how = ["--checks", CHECKS, "--phases", "coverage,fuzzing", "--seed", "1", "--no-color", "--no-shrink"]
    return subprocess.run([*program, *where, *how, *words], cwd=folder, capture_output=True, text=True, timeout=1500)


@pytest.mark.slow
@pytest.mark.server
def test_the_server_answers_as_the_document_says(triton_server: TritonServer, tmp_path: Path) -> None:
    """500 is documented: it is what Triton says to what is no JSON. So no check asks that there be none."""
    done = schemathesis(triton_server, tmp_path, DOCUMENT, "--max-examples", "25")
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr
    assert f"Tested: {3 + 4 * len(ENSEMBLES)}" in done.stdout
    assert fetch(triton_server, f"/v2/models/{VCF.name}")["name"] == VCF.name


@pytest.mark.slow
@pytest.mark.server
@pytest.mark.parametrize("fault", ["status", "content type", "schema"])
def test_a_document_that_is_wrong_is_found_out(triton_server: TritonServer, tmp_path: Path, fault: str) -> None:
    wrong = json.loads(openapi_document.text())
    path = "/v2/models/vcf_scout/infer" if fault != "schema" else "/v2/models/vcf_scout"
    wrong["paths"] = {path: wrong["paths"][path]}
    if fault == "status":
        del wrong["paths"][path]["post"]["responses"]["500"]
    elif fault == "content type":
        del wrong["paths"][path]["post"]["responses"]["400"]["content"]["text/plain"]
    else:
        wrong["components"]["schemas"]["vcf_scout_metadata"]["properties"]["platform"] = {"const": "python"}
    done = schemathesis(triton_server, tmp_path, wrong, "--max-examples", "25")
    assert done.returncode == 1, done.stdout[-3000:] + done.stderr
    words = {"status": "Undocumented status code", "content type": "Undocumented Content-Type"}
    assert words.get(fault, "Response violates schema") in done.stdout
