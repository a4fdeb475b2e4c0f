# SPDX-License-Identifier: Apache-2.0
"""What the Node client has to know of the contract, as JSON, so that it writes no name a second time.

``python -m export.node_contract`` rewrites ``clients/node/contract.json``.
"""

import json
from pathlib import Path
from typing import Any

from clients.acceptance import AGE_POLICIES
from clients.client import DEFAULT_ADDRESS, DEFAULT_DEADLINE_S
from clients.dicom.files import MAX_FILES
from clients.dicom.privacy import HASH_KEY_VARIABLE
from clients.findings import NOTICE, SCHEMA_VERSION
from clients.routes import DICOM
from clients.wire import MAX_MESSAGE_BYTES
from vcf import contract
from vcf.errors import Code, DeadlineExceeded

FILE = Path(__file__).resolve().parents[1] / "clients" / "node" / "contract.json"

NOT_IN_FINDINGS = (contract.MIDSAGITTAL, contract.MIDSAGITTAL_MM, contract.SPACING_MM)
"""Outputs that no part of the findings' JSON is made from; the client does not ask for them."""


def node_contract() -> dict[str, Any]:
    """Plain lists, numbers and strings."""
    door = contract.VCF_DICOM
    return {
        "model": door.name,
        "wire": DICOM,
        "input": contract.DICOM_FILES.name,
        "outputs": {
            tensor.name: {"dtype": tensor.dtype, "shape": list(tensor.shape)}
            for tensor in door.outputs
            if tensor not in NOT_IN_FINDINGS
        },
        "networks": [network.name for network in contract.NETWORKS],
        "stages": list(contract.STAGES),
        "codes": list(Code),
        "deadline_code": DeadlineExceeded.CODE,
        "age_policy": {"parameter": contract.AGE_POLICY, "values": list(AGE_POLICIES)},
        "hash_key_variable": HASH_KEY_VARIABLE,
        "schema_version": SCHEMA_VERSION,
        "notice": NOTICE,
        "default_address": DEFAULT_ADDRESS,
        "default_deadline_s": DEFAULT_DEADLINE_S,
        "max_files": MAX_FILES,
        "max_message_bytes": MAX_MESSAGE_BYTES,
    }


def text() -> str:
    """Content of the file."""
    return json.dumps(node_contract(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), "utf-8")
