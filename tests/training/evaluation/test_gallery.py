# SPDX-License-Identifier: Apache-2.0
from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.training.evaluation.made import case, explanation, mixed, refused
from vcf_training.evaluation import gallery


def pixels(jpeg: bytes) -> NDArray[np.int64]:
    return np.asarray(Image.open(BytesIO(jpeg)).convert("RGB"), int)


def near(image: NDArray[np.int64], colour: tuple[int, int, int]) -> int:
    return int((np.abs(image - colour).max(-1) < 50).sum())


def test_cases_lie_on_the_right_side_of_label_and_threshold() -> None:
    chosen = gallery.choose([*mixed(40), refused(99)], 0.45)
    for kind, members in chosen.items():
        for c in members:
            assert c.fractured == (kind in ("TP", "FN"))
            assert c.score is not None
            assert (c.score >= 0.45) == (kind in ("TP", "FP"))


def test_found_fractures_begin_with_one_of_each_grade_and_misses_with_the_lowest_score() -> None:
    cases = [case(i, s, g) for i, (s, g) in enumerate([(0.9, 3), (0.8, 3), (0.6, 1), (0.7, 2), (0.1, 2), (0.3, 1)])]
    chosen = gallery.choose(cases, 0.5)
    assert [c.grade for c in chosen["TP"]] == [1, 2, 3, 3]
    assert [c.score for c in chosen["FN"]] == [0.1, 0.3]


def test_boxes_and_rings_are_on_the_picture() -> None:
    both = pixels(gallery.picture(case(0, 0.9, 2), 0.5, "made by hand"))
    assert near(both, (255, 176, 0)) > 200
    assert near(both, (255, 138, 216)) > 100
    neither = pixels(gallery.picture(case(0, 0.2), 0.5, "made by hand"))
    assert near(neither, (255, 176, 0)) == 0
    assert near(neither, (255, 138, 216)) == 0


def test_a_refused_study_has_no_picture() -> None:
    with pytest.raises(ValueError, match="SPINE_NOT_FOUND"):
        gallery.picture(refused(0), 0.5, "")


def test_the_tint_lies_where_hiding_lowers_the_probability() -> None:
    image = pixels(gallery.patch_picture(explanation()))
    height, width = image.shape[:2]
    red = (image[..., 0] - image[..., 2]) > 60
    assert red[:, : width // 2].sum() == 0  # the plain patch
    rows, columns = np.nonzero(red)
    assert rows.min() > 0.6 * height
    assert columns.max() < width // 2 + 0.3 * width / 2
