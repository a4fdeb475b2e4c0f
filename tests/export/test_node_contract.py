# SPDX-License-Identifier: Apache-2.0
from export.node_contract import FILE, text


def test_the_file_is_what_the_contract_says() -> None:
    assert FILE.read_text("utf-8") == text(), "run python -m export.node_contract"
