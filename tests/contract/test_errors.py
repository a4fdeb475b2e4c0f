# SPDX-License-Identifier: Apache-2.0
"""Errors keep their codes between processes and through a server's error text."""

import pickle

import pytest

from vcf_contract import errors
from vcf_contract.errors import Code, StudyRefused, VcfError

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, VcfError) and kind not in (VcfError, StudyRefused)
]


def test_each_kind_has_a_code_of_its_own() -> None:
    codes = [kind.code for kind in KINDS]
    assert len(set(codes)) == len(codes) >= 8
    assert not set(codes) & {"FAILED", *Code}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_error_reaches_another_process_as_it_is(kind: type[VcfError]) -> None:
    found = pickle.loads(pickle.dumps(kind("a sentence")))
    assert type(found) is kind and str(found) == "a sentence"


def test_a_refusal_reaches_another_process_as_it_is() -> None:
    found = pickle.loads(pickle.dumps(StudyRefused(Code.TOO_SHORT, "30 mm: too little")))
    assert (found.code, found.sentence, str(found)) == (
        Code.TOO_SHORT,
        "30 mm: too little",
        "TOO_SHORT: 30 mm: too little",
    )


@pytest.mark.parametrize("code", Code)
def test_a_code_is_its_own_name(code: Code) -> None:
    """Also in texts: that is how a client finds it again."""
    assert code.name == code.value == f"{code}"
    found = StudyRefused.find(f"in ensemble 'vcf', Failed to process the request(s): {StudyRefused(code, 'so: it is')}")
    assert found is not None and (found.code, found.sentence) == (code, "so: it is")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "TOO_SHORT",
        "TOO_SHORT:",
        "DEADLINE_EXCEEDED: late",
        "UNKNOWN_CODE: what",
        "too_short: lower case",
        "XTOO_SHORT: part of a word",
    ],
)
def test_other_texts_are_no_refusals(text: str) -> None:
    assert StudyRefused.find(text) is None


def test_words_before_a_refusal_do_not_hide_it() -> None:
    found = StudyRefused.find("INTERNAL: ValueError: BAD_INPUT: no spacing \nTraceback: METAL: x")
    assert found is not None and (found.code, found.sentence) == (Code.BAD_INPUT, "no spacing")
