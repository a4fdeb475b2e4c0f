# SPDX-License-Identifier: Apache-2.0
"""Tell what is wrong with what a client said, and with what it asked a server; None where nothing is."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonschema
from relay import Relay

from vcf_client.findings import schema
from vcf_contract import contract
from vcf_contract.errors import Code

OWN = ("selection", "model", "transport", "bytes_sent", "timings_ms")
"""Parts of the findings that tell of the way, not of the study."""
REFUSED, SERVER = 2, 3
"""Exit codes."""
DEFAULT_DEADLINE_S = 120.0


def outcome_differs(expect: Mapping[str, Any], said: Any, exit_code: int, relays: Sequence[Relay]) -> str | None:
    """The code, the exit code, how often each server was asked, and the requests' ids."""
    code = said.get("error", {}).get("code")
    if code != expect.get("code"):
        return f"code {code}, expected {expect.get('code')}: {json.dumps(said)[:300]}"
    codes = {"": 0} | dict.fromkeys(Code, REFUSED)
    if exit_code != (wanted := codes.get(code or "", SERVER)):
        return f"exit code {exit_code}, expected {wanted}"
    asked = [len(handler.requests) for handler in relays]
    if "asked" in expect and asked != expect["asked"]:
        return f"servers were asked {asked} times, expected {expect['asked']}"
    ids = [request.id for handler in relays for request in handler.requests]
    return "an id is empty or used twice" if "" in ids or len(set(ids)) < len(ids) else None


def findings_differ(said: Any, expected: Mapping[str, Any], expect: Mapping[str, Any]) -> str | None:
    """Form by the schema, values by what the Python client found another way."""
    try:
        jsonschema.validate(said, schema())
    except jsonschema.ValidationError as error:
        return f"the schema: {error.message[:200]}"
    missing = set(expect.get("flags", ())) - set(said["flags"])
    if missing:
        return f"flags {', '.join(missing)} are missing"
    if said["model"] != {**expected["model"], "name": contract.VCF_DICOM.name} or said["transport"] != "dicom":
        return "model or transport differ"
    stages = {"read", "prepare", "network", *contract.STAGES}
    if set(said["timings_ms"]) != stages:
        return f"timings of {sorted(said['timings_ms'])}, expected {sorted(stages)}"
    return _apart({k: v for k, v in said.items() if k not in OWN}, {k: v for k, v in expected.items() if k not in OWN})


def _apart(said: Any, expected: Any, where: str = "findings") -> str | None:
    """Tell where two values differ in form or words, or by more than 0.0001; positions are rounded to 0.01."""
    if isinstance(expected, dict):
        if said.keys() != expected.keys():
            return f"{where} has {sorted(said)}"
        return next(filter(None, (_apart(said[key], expected[key], f"{where}.{key}") for key in expected)), None)
    if isinstance(expected, list):
        if len(said) != len(expected):
            return f"{where} has {len(said)} elements, expected {len(expected)}"
        pairs = enumerate(zip(said, expected, strict=True))
        return next(filter(None, (_apart(*pair, f"{where}[{index}]") for index, pair in pairs)), None)
    near = 0.0101 if "_mm" in where else 0.0001
    same = abs(said - expected) < near if isinstance(expected, float) else said == expected
    return None if same else f"{where} is {said}, expected {expected}"


def request_differs(request: Any, study: Path, words: Sequence[str]) -> str | None:
    """Tell whether a request says what docs/protocol.md says, to the byte."""
    files = sorted(path.read_bytes() for path in study.rglob("*.dcm"))
    one_tensor = len(request.inputs) == len(request.raw_input_contents) == 1
    if request.model_name != contract.VCF_DICOM.name or not one_tensor:
        return "not one input of vcf_dicom with its raw contents"
    (tensor,) = request.inputs
    if (tensor.name, tensor.datatype, list(tensor.shape)) != (contract.DICOM_FILES.name, "BYTES", [len(files)]):
        return f"the input is {tensor.name} {tensor.datatype} {list(tensor.shape)}"
    if sorted(_elements(request.raw_input_contents[0])) != files:
        return "the raw contents are not the files, each after its length"
    limit_s = float(words[words.index("--deadline") + 1]) if "--deadline" in words else DEFAULT_DEADLINE_S
    if not 0 < request.parameters["timeout"].int64_param <= limit_s * 1e6:
        return f"timeout is {request.parameters['timeout']}"
    policy = words[words.index("--age-policy") + 1] if "--age-policy" in words else "warn"
    if request.parameters[contract.AGE_POLICY].string_param != policy:
        return "the age policy is not the one that was asked for"
    return None


def _elements(raw: bytes) -> list[bytes]:
    found, at = [], 0
    while at < len(raw):
        length = int.from_bytes(raw[at : at + 4], "little")
        found.append(raw[at + 4 : at + 4 + length])
        at += 4 + length
    return found
