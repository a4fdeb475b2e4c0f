# SPDX-License-Identifier: Apache-2.0
import numpy as np
from PIL import Image

from vcf_preprocess.geometry import Volume
from vcf_training.data.sheets import View, contact_sheet, draw_slice


def yellow(tile: Image.Image) -> np.ndarray:
    pixels = np.asarray(tile).astype(int)
    return np.argwhere((abs(pixels - (255, 210, 0)) < 30).all(axis=2))


def test_box_and_image_are_drawn_at_the_same_place() -> None:
    """A bright rectangle of known place in mm is framed by its box, whatever the pixel spacing and the view."""
    image = np.full((80, 90), -150, np.int16)
    spacing_mm = (0.9, 0.6)
    image[30:50, 20:60] = 450  # pixel edges at 29.5 … 49.5 and 19.5 … 59.5
    box = (19.5 * 0.6, 29.5 * 0.9, 59.5 * 0.6, 49.5 * 0.9)
    tile = draw_slice(image, spacing_mm, (24.0, 36.0), "", box, View(30.0, 6.0))
    framed = yellow(tile)
    bright = np.argwhere(np.asarray(tile.convert("L"))[15:-15, 30:] > 200) + np.array([15, 30])
    np.testing.assert_allclose(framed.min(axis=0), bright.min(axis=0), atol=3)
    np.testing.assert_allclose(framed.max(axis=0), bright.max(axis=0), atol=3)
    np.testing.assert_allclose(framed.min(axis=0), [(box[1] - 6.0) * 6, (box[0] + 6.0) * 6], atol=2)


def test_contact_sheet_holds_every_slice() -> None:
    volume = Volume(np.zeros((7, 40, 40), np.int16), (5.0, 1.0, 1.0), np.eye(4))
    sheet = contact_sheet(volume, range(7), dict.fromkeys(range(7), (20.0, 20.0)), {}, 3, View(10.0, 2.0))
    assert sheet.size == (3 * 42, 3 * 42)
