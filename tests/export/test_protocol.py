# SPDX-License-Identifier: Apache-2.0
import pytest

from vcf_contract.contract import ENSEMBLES
from vcf_export.protocol import PAGE, with_tables


def test_the_committed_page_is_what_the_contract_says():
    page = PAGE.read_text("utf-8")
    assert with_tables(page) == page, "run python -m vcf_export.protocol"


@pytest.mark.parametrize("entry", ENSEMBLES, ids=lambda d: d.name)
def test_every_tensor_of_the_entry_models_is_on_the_page(entry):
    page = PAGE.read_text("utf-8")
    for tensor in (*entry.inputs, *entry.outputs):
        assert f"| `{tensor.name}` | {tensor.dtype} |" in page


def test_a_page_without_its_markers_is_an_error_and_not_an_empty_table():
    with pytest.raises(ValueError, match="vcf inputs"):
        with_tables("# Protocol\n")


def test_the_text_between_the_tables_survives():
    page = with_tables(PAGE.read_text("utf-8"))
    for heading in ("## Request", "## Answer", "## Errors"):
        assert heading in page
