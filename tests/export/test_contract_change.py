# SPDX-License-Identifier: Apache-2.0
"""What a change of the contract asks of its version."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from vcf_contract.version import VERSION
from vcf_export import contract_document
from vcf_export.contract_change import MAJOR, MINOR, PATCH, change, next_version

DOCUMENT = contract_document.document()


@pytest.mark.parametrize(
    ("edit", "kind"),
    [
        (lambda d: d["entry_models"]["vcf"]["outputs"].pop(), MAJOR),
        (lambda d: d["entry_models"]["vcf"]["outputs"][0].update(dtype="FP64"), MAJOR),
        (lambda d: d["entry_models"]["vcf"]["outputs"][0].update(shape=[2]), MAJOR),
        (lambda d: d["entry_models"]["vcf"]["outputs"].append({"name": "n", "dtype": "FP32", "shape": [1]}), MINOR),
        (lambda d: d["entry_models"]["vcf"]["outputs"].reverse(), None),
        (lambda d: d["entry_models"]["vcf"]["inputs"].append({"name": "n", "dtype": "FP32", "shape": [1]}), MAJOR),
        (
            lambda d: d["entry_models"]["vcf"]["inputs"].append(
                {"name": "n", "dtype": "FP32", "shape": [1], "optional": True}
            ),
            MINOR,
        ),
        (lambda d: d["entry_models"]["vcf"].update(meaning="other words"), PATCH),
        (lambda d: d["entry_models"].pop("vcf_scout"), MAJOR),
        (lambda d: d["codes"].pop("NOT_CT"), MAJOR),
        (lambda d: d["codes"].update(NEW={"refusal": "Because.", "flag": None}), MINOR),
        (lambda d: d["codes"]["NOT_CT"].update(refusal="Other words."), PATCH),
        (lambda d: d["codes"]["METAL"].update(refusal="Now refused."), MINOR),
        (lambda d: d["errors"].update(refusal="x"), MAJOR),
        (lambda d: d["encoding"].update(byte_order="big"), MAJOR),
        (lambda d: d["findings"]["schema"]["properties"].pop("flags"), MAJOR),
        (lambda d: d["findings"]["schema"]["properties"].update(new={"type": "string"}), MINOR),
        (lambda d: d["findings"]["schema"]["properties"]["flags"].update(description="words"), PATCH),
        (lambda d: d["defaults"].update(deadline_s=60), MINOR),
        (lambda d: d["limits"].update(files=1), MAJOR),
    ],
)
def test_what_a_change_asks_of_the_version(edit: Any, kind: str | None) -> None:
    changed = copy.deepcopy(DOCUMENT)
    edit(changed)
    assert change(DOCUMENT, changed) == kind
    major, minor, patch = (int(part) for part in VERSION.split("."))
    wanted = {MAJOR: (major + 1, 0, 0), MINOR: (major, minor + 1, 0), PATCH: (major, minor, patch + 1), None: 0}[kind]
    assert next_version(DOCUMENT, changed) == (".".join(map(str, wanted)) if wanted else VERSION)
