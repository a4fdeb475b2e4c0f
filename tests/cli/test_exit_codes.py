# SPDX-License-Identifier: Apache-2.0
"""Exit codes as docs/commands.md has them, and as sysexits.h and shells do."""

import os
import re
from pathlib import Path

import pytest

from vcf_cli import exit_codes
from vcf_contract import errors
from vcf_contract.errors import Code, StudyRefused, VcfError

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "commands.md"
KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, VcfError)]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (None, 0),
        (StudyRefused(Code.NOT_CT, "it is MR"), 2),
        (errors.ServerUnavailable("x"), 3),
        (errors.NotTrusted("x"), 3),
        (errors.ServerFailed("x"), 3),
        (errors.DeadlineExceeded("x"), 3),
        (errors.SetupError("x"), 1),
        (errors.UsageError("x"), os.EX_USAGE),
        (OSError("x"), 1),
        (KeyboardInterrupt(), 128 + 2),
    ],
)
def test_what_a_command_ended_with(error: BaseException | None, code: int) -> None:
    assert exit_codes.of(error) == code


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_no_error_is_a_success_or_what_argparse_says_of_wrong_usage(kind: type[VcfError]) -> None:
    error = StudyRefused(Code.NOT_CT, "x") if kind is StudyRefused else kind("x")
    assert exit_codes.of(error) != 0
    assert (exit_codes.of(error) == 2) is (kind is StudyRefused)


def test_the_documented_codes() -> None:
    rows = re.findall(r"^\| (\d+) \|", DOCUMENT.read_text("utf-8"), re.MULTILINE)
    assert {int(code) for code in rows} >= {
        exit_codes.DONE,
        exit_codes.SETUP,
        exit_codes.REFUSED,
        exit_codes.SERVER,
        exit_codes.USAGE,
    }
    assert all(re.search(rf"\b{code} ", exit_codes.MEANING) for code in (0, 1, 2, 3, 64))
