# SPDX-License-Identifier: Apache-2.0
import re
from pathlib import Path

from vcf_client.flags import MEANING, meaning
from vcf_contract.errors import Code

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reading.md"


def test_the_page_explains_every_flag() -> None:
    """In the words that reports use; what the page names is a code."""
    page = PAGE.read_text("utf-8")
    table = dict(re.findall(r"^\| `([A-Z_0-9]+)` \| (.+?) \|$", page.partition("## Flags")[2], re.MULTILINE))
    assert table == {str(code): sentence for code, sentence in MEANING.items()}
    assert not set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)`", page)) - set(Code.__members__)


def test_unknown_flag() -> None:
    assert "no explanation" in meaning("FLAG_OF_LATER") and "no explanation" in meaning("NOT_CT")
