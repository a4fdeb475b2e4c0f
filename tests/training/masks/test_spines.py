# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import numpy as np
import pytest

from tests.training.masks.conftest import CANAL_Y_MM, HEIGHT_MM, MIDDLE_MM, NAMES
from vcf_training.masks.spines import MaskSpine, load_mask_spines, read_entries


def test_nothing_share_alike_or_non_commercial_trains() -> None:
    entries = read_entries()
    assert {e.use for e in entries} == {"train", "tune"}
    assert not [e.source for e in entries if e.use == "train" and ("SA" in e.licence or "NC" in e.licence)]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a,train,MIT,T1-L9,", "level"),
        ("a,train,MIT,T1-L5,C3=1", "level"),
        ("a,train,MIT,T1-L5,L1=4", "grades are"),
        ("a,evaluate,MIT,T1-L5,", "use is"),
    ],
)
def test_a_line_that_says_what_there_is_not(tmp_path: Path, line: str, words: str) -> None:
    table = tmp_path / "spines.csv"
    table.write_text(f"source,use,licence,levels,grades\n{line}\n")
    with pytest.raises(ValueError, match=words):
        read_entries(table)


def test_bodies_and_canal_of_a_plain_mask(crushed_mask: MaskSpine) -> None:
    assert [body.level for body in crushed_mask.bodies] == list(NAMES)
    for body in crushed_mask.bodies:
        wanted = 12.0 if body.level == "T11" else HEIGHT_MM
        np.testing.assert_allclose(body.heights_mm, wanted, atol=1.0)
    np.testing.assert_allclose(crushed_mask.canal_mm, [[MIDDLE_MM, CANAL_Y_MM]] * len(crushed_mask.labels), atol=1.5)


def test_the_masks_of_the_development_data_show_what_the_table_says(shared_data: Path) -> None:
    spines = load_mask_spines(shared_data)
    assert len(spines) == 4
    for spine in spines:
        names = [body.level for body in spine.bodies]
        for level, grade in spine.grades.items():
            at = names.index(level)
            beside = [b for b in spine.bodies[max(at - 3, 0) : at + 4] if b.level not in spine.grades]
            whole = max(spine.bodies[at].heights_mm.max(), np.median([b.heights_mm.max() for b in beside]))
            assert 1 - spine.bodies[at].heights_mm.min() / whole > (0.18, 0.25, 0.4)[grade - 1], level
