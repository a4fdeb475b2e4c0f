# SPDX-License-Identifier: Apache-2.0
import re
from pathlib import Path

import pytest

from vcf_training.code_digest import code_digest


@pytest.fixture
def code(tmp_path: Path) -> list[Path]:
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text(f"# {name}\n")
    return sorted(tmp_path.iterdir())


def test_the_same_files_in_any_order_give_the_same_digits(code: list[Path]) -> None:
    assert re.fullmatch("[0-9a-f]{16}", code_digest(code))
    assert code_digest(code) == code_digest(reversed(code))


def test_any_change_of_a_file_or_of_the_question_gives_others(code: list[Path]) -> None:
    found = {code_digest(code), code_digest(code, "asked"), code_digest(code, ("asked", 2)), code_digest(code[:1])}
    code[0].write_text("# a.py \n")
    assert len(found | {code_digest(code)}) == 5
