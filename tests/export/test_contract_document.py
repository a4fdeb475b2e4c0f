# SPDX-License-Identifier: Apache-2.0
"""The contract as a document: what clients carry and the server says is what the typed description says."""

from __future__ import annotations

import json
import re
import urllib.request
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from vcf_client.flags import MEANING
from vcf_contract.contract import ENSEMBLES
from vcf_contract.errors import Code, StudyRefused, VcfError
from vcf_contract.refusals import REFUSED
from vcf_contract.version import SCHEMA_VERSION, VERSION
from vcf_export import contract_document

if TYPE_CHECKING:
    from vcf_server.server import TritonServer

DOCUMENT = contract_document.document()


@pytest.mark.parametrize("path", contract_document.COPIES, ids=lambda path: path.parent.name)
def test_the_copies_are_what_the_contract_says(path: Any) -> None:
    assert path.read_text("utf-8") == contract_document.text(), "run python -m vcf_export.contract_document"


def test_the_copies_of_the_protocol_are_the_same() -> None:
    for path in contract_document.PROTO_COPIES:
        assert path.read_bytes() == contract_document.PROTO.read_bytes()


def test_both_forms_hold_the_same() -> None:
    assert json.loads(contract_document.text()) == json.loads(contract_document.one_line()) == DOCUMENT
    assert contract_document.one_line().isascii() and "\n" not in contract_document.one_line()


def test_every_code_has_a_meaning_and_every_error_a_sentence() -> None:
    assert set(REFUSED) | set(MEANING) == set(Code)
    raised = {kind.code for kind in _subclasses(VcfError)} - {"FAILED", "SETUP", "USAGE"}
    said = {rule["error"] for rule in DOCUMENT["errors"]["rules"]} | set(DOCUMENT["errors"]["codes"])
    assert raised - {getattr(StudyRefused, "code", None)} <= said


def _subclasses(kind: type) -> set[Any]:
    below = {one for one in kind.__subclasses__() if hasattr(one, "code")}
    return below.union(*map(_subclasses, below)) if below else set()


def test_findings_and_contract_share_the_version() -> None:
    schema = DOCUMENT["findings"]["schema"]
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["properties"]["schema_version"]["const"] == SCHEMA_VERSION
    assert VERSION.startswith(f"{SCHEMA_VERSION}.")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("in ensemble 'vcf_dicom', TOO_SHORT: 3 slices; 24 are accepted\n\nAt: BAD_HU: no", "TOO_SHORT"),
        ("TOO_SHORT: 3 slices", "TOO_SHORT"),
        ("NOT_A_CODE: no\nBAD_HU: no", "BAD_HU"),
        ("Note NOT_A_CODE: TOO_SHORT: 3 slices", "TOO_SHORT"),
        ("too_short: 3 slices", None),
        ("XTOO_SHORT: 3 slices", None),
        ("TOO_SHORT:3 slices", None),
    ],
)
def test_the_grammar_finds_the_refusal_in_words_of_triton(text: str, found: str | None) -> None:
    matches = [match for match in re.finditer(DOCUMENT["errors"]["refusal"], text) if match[1] in DOCUMENT["codes"]]
    assert (matches[0][1] if matches else None) == found
    refused = StudyRefused.find(text)
    assert (str(refused.code) if refused else None) == found
    assert not refused or refused.sentence in ("3 slices; 24 are accepted", "3 slices", "no")


@pytest.mark.server
def test_the_server_gives_it(triton_server: TritonServer) -> None:
    from tritonclient.grpc import InferenceServerClient

    with InferenceServerClient(triton_server.grpc_url) as client:
        for entry in ENSEMBLES:
            parameters = client.get_model_config(entry.name).config.parameters
            assert parameters["contract_version"].string_value == VERSION
    with urllib.request.urlopen(f"http://{triton_server.http_url}/v2/models/vcf/config", timeout=20) as answer:
        config = json.load(answer)
    assert json.loads(config["parameters"]["contract"]["string_value"]) == DOCUMENT
