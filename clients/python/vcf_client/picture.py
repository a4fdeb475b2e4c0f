# SPDX-License-Identifier: Apache-2.0
"""The mid-sagittal picture with the findings on it: boxes of positive patches, centre line, scores beside the spine.

After Figure 4 of the paper: a finding is a box on the reconstructed mid-sagittal slice. The score strip at the side
shares the picture's vertical axis, so a bar stands at the height of its patch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vcf_client.findings import Findings, Midsagittal
from vcf_contract.spec import DETECTOR

WINDOW_HU = DETECTOR.window_hu
"""Wide enough to show soft tissue beside bone: a reader needs both to know where they are."""

_SUPERSAMPLE = 2  # Pillow draws without anti-aliasing
_PX_PER_MM = 3.6
_MAX_PICTURE_PX = 2600  # a metre of spine still makes a picture that a browser shows at once
_HEADER_PX, _FOOTER_PX, _MARGIN_PX, _STRIP_PX = 76, 96, 28, 250
_SCALE_BAR_MM = 50

_GROUND, _TEXT, _QUIET = "#101418", "#e8ecef", "#9aa5af"
_LINE, _POSITIVE, _NEGATIVE, _TRUTH = "#56c7e8", "#ffb000", "#7f8b96", "#ff8ad8"
"""Colours that any colour vision tells apart, and weight and labels do without any."""


@dataclass(frozen=True)
class Mark:
    """A place that is known to hold something, in mm like the boxes: a ring with words behind it."""

    y_mm: float
    z_mm: float
    radius_mm: float
    text: str


@dataclass(frozen=True)
class _Frame:
    """Maps y, z in mm to pixels of the canvas."""

    picture: Midsagittal
    px_per_mm: float

    @property
    def left(self) -> float:
        return _MARGIN_PX * _SUPERSAMPLE

    @property
    def top(self) -> float:
        return _HEADER_PX * _SUPERSAMPLE

    @property
    def size(self) -> tuple[int, int]:
        rows, columns = self.picture.hu.shape
        return (
            max(1, round(columns * self.picture.column_mm * self.px_per_mm)),
            max(1, round(rows * self.picture.row_mm * self.px_per_mm)),
        )

    def x(self, y_mm: float) -> float:
        """Column of a position from front to back; a pixel's centre lies half a pitch inside its edge."""
        return self.left + (y_mm - self.picture.y_front_mm + self.picture.column_mm / 2) * self.px_per_mm

    def y(self, z_mm: float) -> float:
        """Row of a height."""
        return self.top + (self.picture.z_top_mm - z_mm + self.picture.row_mm / 2) * self.px_per_mm


def draw(findings: Findings, marks: Sequence[Mark] = ()) -> Image.Image:
    """Picture of the findings, RGB; about 3.6 pixels a millimetre. ``marks``: what is known, for evaluation."""
    picture = findings.midsagittal
    height_mm = picture.hu.shape[0] * picture.row_mm
    frame = _Frame(picture, min(_PX_PER_MM, _MAX_PICTURE_PX / height_mm) * _SUPERSAMPLE)
    width, height = frame.size
    side = (2 * _MARGIN_PX + _STRIP_PX) * _SUPERSAMPLE
    canvas = Image.new(
        "RGB", (int(frame.left) + width + side, height + (_HEADER_PX + _FOOTER_PX) * _SUPERSAMPLE), _GROUND
    )
    canvas.paste(_grey(picture).resize((width, height), Image.Resampling.BICUBIC), (int(frame.left), int(frame.top)))
    pen = ImageDraw.Draw(canvas)
    _draw_centre_line(pen, frame)
    _draw_boxes(pen, frame, findings)
    for mark in marks:
        _draw_mark(pen, frame, mark)
    _draw_orientation(pen, frame)
    _draw_scale_bar(pen, frame)
    _draw_strip(pen, frame, findings)
    _draw_words(pen, canvas.size, findings)
    return canvas.reduce(_SUPERSAMPLE)


def _grey(picture: Midsagittal) -> Image.Image:
    low, high = WINDOW_HU
    scaled = (picture.hu.astype(np.float32) - low) * (255 / (high - low))
    return Image.fromarray(np.clip(scaled, 0, 255).astype(np.uint8))


@cache
def _font(px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own typeface: no font file of the machine, so the picture is the same everywhere."""
    return ImageFont.load_default(px * _SUPERSAMPLE)


def _draw_centre_line(pen: ImageDraw.ImageDraw, frame: _Frame) -> None:
    points = [(frame.x(float(y)), frame.y(float(z))) for _, y, z in frame.picture.centre_line_mm]
    if len(points) > 1:
        pen.line(points, fill=_LINE, width=2 * _SUPERSAMPLE, joint="curve")


def _draw_boxes(pen: ImageDraw.ImageDraw, frame: _Frame, findings: Findings) -> None:
    for patch, box in zip(findings.patches, frame.picture.boxes_mm.tolist(), strict=True):
        if not findings.is_positive(patch):
            continue
        _, y0, z0, _, y1, z1 = box
        edge = 3 * _SUPERSAMPLE
        left, right = max(frame.x(y0), frame.left), min(frame.x(y1), frame.left + frame.size[0])
        top, bottom = max(frame.y(z1), frame.top), min(frame.y(z0), frame.top + frame.size[1])
        pen.rectangle((left, top, right, bottom), outline=_POSITIVE, width=edge)
        _label(pen, (left + edge, top + edge), f"{patch.score:.2f}")


def _draw_mark(pen: ImageDraw.ImageDraw, frame: _Frame, mark: Mark) -> None:
    x, y, radius = frame.x(mark.y_mm), frame.y(mark.z_mm), mark.radius_mm * frame.px_per_mm
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), outline=_TRUTH, width=3 * _SUPERSAMPLE)
    pen.text(
        (x + radius + 8 * _SUPERSAMPLE, y),  # behind it: the scores of the boxes stand in front
        mark.text,
        fill=_TRUTH,
        font=_font(25),
        anchor="lm",
        stroke_width=2 * _SUPERSAMPLE,
        stroke_fill=_GROUND,
    )


def _label(pen: ImageDraw.ImageDraw, at: tuple[float, float], text: str) -> None:
    pad = 4 * _SUPERSAMPLE
    box = pen.textbbox(at, text, font=_font(25))
    pen.rectangle((at[0], at[1], box[2] + 2 * pad, box[3] + 2 * pad), fill=_POSITIVE)
    pen.text((at[0] + pad, at[1] + pad), text, fill=_GROUND, font=_font(25))


def _draw_orientation(pen: ImageDraw.ImageDraw, frame: _Frame) -> None:
    """Head, feet, anterior, posterior, as DICOM abbreviates them (PS3.3 C.7.6.1.1.1)."""
    width, height = frame.size
    middle, centre = frame.left + width / 2, frame.top + height / 2
    inset = 18 * _SUPERSAMPLE
    for letter, x, y in (
        ("H", middle, frame.top + inset),
        ("F", middle, frame.top + height - inset),
        ("A", frame.left + inset, centre),
        ("P", frame.left + width - inset, centre),
    ):
        pen.text(
            (x, y), letter, fill=_TEXT, font=_font(24), anchor="mm", stroke_width=2 * _SUPERSAMPLE, stroke_fill=_GROUND
        )


def _draw_scale_bar(pen: ImageDraw.ImageDraw, frame: _Frame) -> None:
    x, y = frame.left, frame.top + frame.size[1] + 22 * _SUPERSAMPLE
    length = _SCALE_BAR_MM * frame.px_per_mm
    tick = 7 * _SUPERSAMPLE
    pen.line([(x, y), (x + length, y)], fill=_TEXT, width=3 * _SUPERSAMPLE)
    for end in (x, x + length):
        pen.line([(end, y - tick), (end, y + tick)], fill=_TEXT, width=3 * _SUPERSAMPLE)
    pen.text((x + length + 14 * _SUPERSAMPLE, y), f"{_SCALE_BAR_MM} mm", fill=_TEXT, font=_font(25), anchor="lm")


def _draw_strip(pen: ImageDraw.ImageDraw, frame: _Frame, findings: Findings) -> None:
    """Bars of the patch scores, each at the height of its patch."""
    left = frame.left + frame.size[0] + _MARGIN_PX * _SUPERSAMPLE
    span = (_STRIP_PX - 70) * _SUPERSAMPLE  # leaves room for the numbers
    boxes = frame.picture.boxes_mm
    middles = [(frame.y(float(box[5])) + frame.y(float(box[2]))) / 2 for box in boxes]
    heights = [frame.y(float(box[2])) - frame.y(float(box[5])) for box in boxes]
    pitch = float(np.diff(middles).min()) if len(middles) > 1 else heights[0]
    half = min(pitch, min(heights)) * 0.3
    top, bottom = middles[0] - heights[0] / 2, middles[-1] + heights[-1] / 2
    pen.line([(left, top), (left, bottom)], fill=_QUIET, width=_SUPERSAMPLE)
    for patch, middle in zip(findings.patches, middles, strict=True):
        positive = findings.is_positive(patch)
        end = left + max(patch.score * span, 2 * _SUPERSAMPLE)
        pen.rectangle((left, middle - half, end, middle + half), fill=_POSITIVE if positive else _NEGATIVE)
        pen.text(
            (left + _STRIP_PX * _SUPERSAMPLE, middle),
            f"{patch.score:.2f}",
            fill=_POSITIVE if positive else _QUIET,
            font=_font(25),
            anchor="rm",
        )
    threshold = left + findings.threshold * span
    dash = 9 * _SUPERSAMPLE
    for y in np.arange(top, bottom, 2 * dash):
        pen.line([(threshold, y), (threshold, min(y + dash, bottom))], fill=_TEXT, width=_SUPERSAMPLE)
    pen.text(
        (threshold, bottom + 14 * _SUPERSAMPLE),
        f"threshold {findings.threshold:.2f}",
        fill=_QUIET,
        font=_font(24),
        anchor="mm",
    )


def _draw_words(pen: ImageDraw.ImageDraw, size: tuple[int, int], findings: Findings) -> None:
    left, right = _MARGIN_PX * _SUPERSAMPLE, size[0] - _MARGIN_PX * _SUPERSAMPLE
    verdict = "positive" if findings.positive else "negative"
    pen.text(
        (left, _HEADER_PX * _SUPERSAMPLE / 2),
        f"Study score {findings.study_score:.2f}, {verdict}",
        fill=_POSITIVE if findings.positive else _TEXT,
        font=_font(34),
        anchor="lm",
    )
    pen.text((right, _HEADER_PX * _SUPERSAMPLE / 2), "Patch scores", fill=_QUIET, font=_font(25), anchor="rm")
    pen.text((left, size[1] - 22 * _SUPERSAMPLE), findings.notice, fill=_QUIET, font=_font(23), anchor="lm")
