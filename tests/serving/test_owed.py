# SPDX-License-Identifier: Apache-2.0
"""A file says that this process owes answers, and goes when it owes none."""

import os
from pathlib import Path

import pytest

pytest.importorskip("tritonclient.grpc")
from tests import fake_stub  # noqa: F401  (what Triton gives a model)
from vcf_contract.contract import OWED_ANSWERS
from vcf_runtime.owed import Owed


def test_the_file_is_there_while_answers_are_owed(tmp_path: Path) -> None:
    owed = Owed(tmp_path / "deadlines")
    mark = tmp_path / f"deadlines{OWED_ANSWERS}{os.getpid()}"
    for some in (False, True, True, False, False, True, False):
        owed.show(some)
        assert mark.exists() == some
    assert list(tmp_path.iterdir()) == []


def test_without_shared_memory_nobody_is_told_and_nothing_fails(tmp_path: Path) -> None:
    owed = Owed(tmp_path / "missing" / "deadlines")
    owed.show(True)
    owed.show(False)
