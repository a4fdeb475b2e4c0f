# SPDX-License-Identifier: Apache-2.0
"""The picture, measured: what is drawn stands where the millimetres say."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageColor

from vcf_client import Findings, picture


def where(image: Image.Image, colour: str, *, within: int = 40) -> NDArray[np.bool_]:
    """Pixels close to a colour."""
    rgb = np.asarray(image, int)
    close: NDArray[np.bool_] = np.abs(rgb - ImageColor.getrgb(colour)).max(axis=-1) < within
    return close


@pytest.fixture
def flat(findings: Findings) -> Findings:
    """Findings whose CT is all air, so that what is drawn stands alone."""
    view = findings.midsagittal
    return replace(findings, midsagittal=replace(view, hu=np.full_like(view.hu, -1000)))


def test_pixels_are_square_and_to_scale(flat: Findings) -> None:
    """192 mm of height (96 rows of 2 mm) by 128 mm of depth (160 columns of 0.8 mm)."""
    image = np.asarray(picture.draw(flat), int)
    black = (image == 0).all(-1)
    columns, rows = np.flatnonzero(black.any(0)), np.flatnonzero(black.any(1))
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert height / 192 == pytest.approx(3.6, rel=0.01)
    assert width / 128 == pytest.approx(height / 192, rel=0.01)


def test_boxes_of_positive_patches_stand_at_their_place(flat: Findings) -> None:
    one = replace(flat, threshold=0.7)  # only patch 4 of 5 reaches it
    image = picture.draw(one)
    black = (np.asarray(image) == 0).all(-1)
    left, top = np.flatnonzero(black.any(0))[0], np.flatnonzero(black.any(1))[0]
    width = np.ptp(np.flatnonzero(black.any(0))) + 1
    box = where(image, picture._POSITIVE)
    box[:, : left + 2] = box[:, left + width :] = False  # neither title nor strip
    box[: top + 2] = False
    rows, columns = np.flatnonzero(box.any(1)), np.flatnonzero(box.any(0))
    y0, z0, y1, z1 = one.midsagittal.boxes_mm[3][[1, 2, 4, 5]]
    scale = 3.6
    z_top = 190.0 + 1.0  # upper edge of the first row
    np.testing.assert_allclose((rows[0] - top, rows[-1] - top), ((z_top - z1) * scale, (z_top - z0) * scale), atol=4)
    np.testing.assert_allclose(
        (columns[0] - left, columns[-1] - left), ((y0 + 0.4) * scale, (y1 + 0.4) * scale), atol=4
    )


def test_negative_study_has_no_mark(flat: Findings) -> None:
    assert not where(picture.draw(replace(flat, threshold=0.9)), picture._POSITIVE, within=20).any()


def test_centre_line_follows_the_canal(flat: Findings) -> None:
    image = picture.draw(replace(flat, threshold=0.9))
    line = where(image, picture._LINE)
    columns = np.flatnonzero(line.any(0))
    left = np.flatnonzero((np.asarray(image) == 0).all(-1).any(0))[0]
    assert columns.mean() - left == pytest.approx((86.0 + 0.4) * 3.6, abs=2)


def test_scale_bar_is_50_mm(flat: Findings) -> None:
    image = np.asarray(picture.draw(flat), int)
    bright = (np.abs(image - ImageColor.getrgb(picture._TEXT)).max(-1) < 40)[-90:]
    longest = max(_runs(row) for row in bright)
    assert longest == pytest.approx(50 * 3.6, abs=4)


def test_strip_bars_are_as_long_as_the_scores(flat: Findings) -> None:
    image = picture.draw(replace(flat, threshold=0.9))
    bars = where(image, picture._NEGATIVE, within=12)
    bars[:, : image.width - picture._STRIP_PX - picture._MARGIN_PX] = False
    lengths = sorted({_runs(row) for row in bars} - {0}, reverse=True)
    longest = lengths[0]
    scores = [0.08, 0.125, 0.4, 0.75, 0.66]
    for score in scores:
        assert min(abs(length - longest * score / 0.75) for length in lengths) <= 3


def test_a_very_long_scan_makes_a_picture_of_bounded_size(flat: Findings) -> None:
    tall = replace(flat.midsagittal, hu=np.zeros((2000, 160), np.int16))
    assert picture.draw(replace(flat, midsagittal=tall)).height < 3000


def test_the_picture_names_no_patient_and_no_file(findings: Findings) -> None:
    assert picture.draw(findings).info == {}


def _runs(row: NDArray[np.bool_]) -> int:
    """Longest run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(np.int8), [0]])))
    return int((edges[1::2] - edges[::2]).max()) if len(edges) else 0


def test_a_mark_rings_its_place(flat: Findings) -> None:
    """A ring of 10 mm at (y, z): as far from the known place in pixels as in millimetres."""
    none = replace(flat, threshold=1.1)
    view = flat.midsagittal
    y_mm, z_mm = view.y_front_mm + 60.0, view.z_top_mm - 100.0
    ring = where(picture.draw(none, [picture.Mark(y_mm, z_mm, 10.0, "")]), picture._TRUTH)
    rows, columns = np.nonzero(ring)
    assert np.ptp(rows) / 3.6 == pytest.approx(20, abs=1)
    assert np.ptp(columns) / 3.6 == pytest.approx(20, abs=1)
    black = (np.asarray(picture.draw(none), int) == 0).all(-1)
    top, left = np.flatnonzero(black.any(1))[0], np.flatnonzero(black.any(0))[0]
    assert (rows.mean() - top) / 3.6 == pytest.approx(100 + view.row_mm / 2, abs=1)
    assert (columns.mean() - left) / 3.6 == pytest.approx(60 + view.column_mm / 2, abs=1)
    assert not where(picture.draw(none), picture._TRUTH).any()
