# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import pytest

from vcf_training.phantom import nominal, sample
from vcf_training.phantom.anatomy import LEVELS


def test_vertebrae_are_all_levels_from_head_to_feet() -> None:
    spec = nominal()
    with pytest.raises(ValueError, match=f"the {len(LEVELS)} levels C4–S3 from head to feet"):
        replace(spec, vertebrae=spec.vertebrae[::-1])
    with pytest.raises(ValueError, match="levels"):
        replace(spec, vertebrae=spec.vertebrae[1:])


@pytest.mark.parametrize("level", ["C4", "T8", "L1", "S3"])
def test_a_vertebra_by_its_level(level: str) -> None:
    assert nominal().vertebra(level).level == level


def test_before_the_fractures_everything_else_was_the_same() -> None:
    ill = sample(5, fracture_probability=1.0)
    before = ill.without_fractures()
    assert any(v.fracture for v in ill.vertebrae) and not any(v.fracture for v in before.vertebrae)
    assert replace(before, vertebrae=ill.vertebrae) == ill
