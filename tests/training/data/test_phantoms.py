# SPDX-License-Identifier: Apache-2.0
import pytest

pytest.importorskip("tensorflow")
from vcf_training.data.annotated import DataError
from vcf_training.data.datasets import Options, studies


def test_recipes_of_phantoms_are_studies_too() -> None:
    found = studies("phantom-test:3", Options())
    assert len({s.key for s in found}) == 3
    assert all(s.synthetic and s.fractured is not None for s in found)
    with pytest.raises(DataError):
        studies("phantom-test:none", Options(format="phantom"))
