# SPDX-License-Identifier: Apache-2.0
"""The contract as one JSON document, for programs: what clients in any language need to know, written from the typed
description.

``vcf export contract`` prints it; the server gives it as a parameter of the entry model ``vcf``, and its version as one
of every entry model. ``python -m vcf_export.contract_document`` rewrites the copies that the clients carry.
"""

import json
from pathlib import Path
from typing import Any

from vcf_client.acceptance import AGE_POLICIES
from vcf_client.client import DEFAULT_ADDRESS, DEFAULT_DEADLINE_S
from vcf_client.dicom.files import MAX_FILES
from vcf_client.dicom.privacy import HASH_KEY_VARIABLE
from vcf_client.findings import NOTICE, schema
from vcf_client.flags import MEANING
from vcf_client.message import MAX_MESSAGE_BYTES, PRIORITY, TIMEOUT
from vcf_client.retry import Retry
from vcf_client.routes import DICOM
from vcf_client.security import API_KEY_PREFIX
from vcf_contract import contract, errors, statuses
from vcf_contract.contract import Ensemble, Tensor
from vcf_contract.refusals import REFUSED
from vcf_contract.spec import MAX_PATCHES
from vcf_contract.version import DOCUMENT_PARAMETER, SCHEMA_VERSION, VERSION, VERSION_PARAMETER

CLIENTS = Path(__file__).resolve().parents[2] / "clients"
COPIES = tuple(CLIENTS / path for path in ("contract.json", "node/contract.json", "go/contract.json"))
"""Java and C++ read the first when they are built; npm's packages and Go's hold no file from outside."""
PROTO = CLIENTS / "proto" / "kserve.proto"
PROTO_COPIES = (CLIENTS / "node" / "proto" / "kserve.proto",)

NOT_IN_FINDINGS = (contract.MIDSAGITTAL, contract.MIDSAGITTAL_MM, contract.SPACING_MM)
"""Outputs that no part of the findings' JSON is made from."""
ERRORS = (
    errors.ServerUnavailable,
    errors.Overloaded,
    errors.NotTrusted,
    errors.AccessDenied,
    errors.ContractDiffers,
    errors.DeadlineExceeded,
    errors.ServerFailed,
)
BYTES_A_VALUE = {"FP32": 4, "FP64": 8, "INT16": 2, "INT32": 4}


def document() -> dict[str, Any]:
    """Plain lists, numbers and strings."""
    retry = Retry()
    return {
        "name": "vcf-triton",
        "version": VERSION,
        "protocol": "KServe v2 (Open Inference Protocol), gRPC and HTTP with Triton's binary data",
        "notice": NOTICE,
        "served_as": {"version": VERSION_PARAMETER, "document": DOCUMENT_PARAMETER},
        "encoding": {"byte_order": "little", "bytes_length_prefix_bytes": 4, "bytes_a_value": BYTES_A_VALUE},
        "entry_models": {entry.name: _entry(entry) for entry in contract.ENSEMBLES},
        "parameters": {
            TIMEOUT: {"type": "int64", "unit": "microseconds", "entry_models": _all(), "meaning": "what is left"},
            PRIORITY: {
                "type": "int64",
                "values": [priority.level for priority in contract.Priority],
                "default": contract.Priority.ROUTINE.level,
                "entry_models": _all(),
                "meaning": "who goes first where studies wait: "
                + ", ".join(f"{p.level} {p}" for p in contract.Priority),
            },
            contract.AGE_POLICY: {
                "type": "string",
                "values": list(AGE_POLICIES),
                "default": AGE_POLICIES[0],
                "entry_models": [contract.VCF_DICOM.name],
                "meaning": "what to do with patients under 50 or of unknown age",
            },
        },
        "codes": {code: {"refusal": REFUSED.get(code), "flag": MEANING.get(code)} for code in errors.Code},
        "errors": {
            "refusal": errors.REFUSAL,
            "rules": [
                {
                    "statuses": list(rule.statuses),
                    "words": rule.words,
                    "error": rule.error,
                    "retry": rule.retry,
                    "meaning": rule.meaning,
                }
                for rule in statuses.RULES
            ],
            "codes": {kind.code: (kind.__doc__ or "").strip().splitlines()[0] for kind in ERRORS},
        },
        "retry": {"attempts": retry.attempts, "first_s": retry.first_s, "longest_s": retry.longest_s},
        "admission": {
            "model": contract.ADMISSION.name,
            "input": contract.ADMISSION_REQUEST.name,
            "priorities": {str(priority): priority.level for priority in contract.Priority},
            "leave": contract.LEAVE,
        },
        "api_key_header_prefix": API_KEY_PREFIX,
        "limits": {"files": MAX_FILES, "message_bytes": MAX_MESSAGE_BYTES, "patches": MAX_PATCHES},
        "defaults": {"address": DEFAULT_ADDRESS, "deadline_s": DEFAULT_DEADLINE_S},
        "stages": list(contract.STAGES),
        "networks": [network.name for network in contract.NETWORKS],
        "findings": {
            "schema_version": SCHEMA_VERSION,
            "transport": DICOM,
            "hash_key_variable": HASH_KEY_VARIABLE,
            "made_from": [t.name for t in contract.VCF_DICOM.outputs if t not in NOT_IN_FINDINGS],
            "schema": schema(),
        },
    }


def _all() -> list[str]:
    return [entry.name for entry in contract.ENSEMBLES]


def _entry(entry: Ensemble) -> dict[str, Any]:
    return {
        "meaning": entry.meaning,
        "inputs": [_tensor(tensor) for tensor in entry.inputs],
        "outputs": [_tensor(tensor) for tensor in entry.outputs],
    }


def _tensor(tensor: Tensor) -> dict[str, Any]:
    optional = {"optional": True} if tensor.optional else {}
    return {
        "name": tensor.name,
        "dtype": tensor.dtype,
        "shape": list(tensor.shape),
        "meaning": tensor.meaning,
        **optional,
    }


def text() -> str:
    """The document as it is written to files."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def one_line() -> str:
    """The document as a parameter of the server holds it: the same JSON, ASCII, without blanks."""
    return json.dumps(document(), separators=(",", ":"))


def write_copies() -> list[Path]:
    """Rewrite what the clients carry of contract and protocol; the paths."""
    for path in COPIES:
        path.write_text(text(), "utf-8")
    for path in PROTO_COPIES:
        path.write_bytes(PROTO.read_bytes())
    return [*COPIES, *PROTO_COPIES]


if __name__ == "__main__":
    write_copies()
