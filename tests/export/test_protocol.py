# SPDX-License-Identifier: Apache-2.0
import pytest

from export.protocol import PAGE, fill
from vcf.contract import ENSEMBLES


def test_the_committed_page_is_what_the_contract_says():
    page = PAGE.read_text("utf-8")
    assert fill(page) == page, "run python -m export.protocol"


@pytest.mark.parametrize("door", ENSEMBLES, ids=lambda d: d.name)
def test_every_tensor_of_the_front_doors_is_on_the_page(door):
    page = PAGE.read_text("utf-8")
    for tensor in (*door.inputs, *door.outputs):
        assert f"| `{tensor.name}` | {tensor.dtype} |" in page


def test_a_page_without_its_markers_is_an_error_and_not_an_empty_table():
    with pytest.raises(ValueError, match="vcf inputs"):
        fill("# Protocol\n")


def test_the_text_between_the_tables_survives():
    page = fill(PAGE.read_text("utf-8"))
    for heading in ("## Request", "## Answer", "## Errors"):
        assert heading in page
