# SPDX-License-Identifier: Apache-2.0
"""Elements of a data set as plain values, read from their bytes.

pydicom converts values on access, warns about odd ones and quotes them; a reader of hostile files wants an absent
value instead. Only the value representations that the readers need are here (DICOM PS3.5 section 6.2).
"""

import math
import struct
from collections.abc import Iterable, Iterator

from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence

Element = RawDataElement | DataElement
"""An element as pydicom reads it, converted or not."""


class Elements:
    """A data set, or an item of a sequence, by tag. Whatever is absent or unreadable is empty."""

    __slots__ = ("_found",)

    def __init__(self, found: dict[int, Element]) -> None:
        self._found = found

    @classmethod
    def of(cls, elements: Iterable[Element]) -> "Elements":
        """Keep elements by plain numbers: look-up by pydicom's tags is slower than all that is done here."""
        return cls({int(element.tag): element for element in elements})

    def __contains__(self, tag: int) -> bool:
        return tag in self._found

    def raw(self, tag: int) -> bytes:
        """The value's bytes as stored."""
        element = self._found.get(tag)
        if element is None:
            return b""
        value = element.value
        if isinstance(value, bytes):
            return value
        if isinstance(value, MultiValue):
            value = "\\".join(map(str, value))
        return b"" if value is None else str(value).encode("latin-1", "replace")

    def text(self, tag: int) -> str:
        """A string value, all of its parts."""
        return self.raw(tag).decode("latin-1").strip(" \0\t\r\n")

    def texts(self, tag: int) -> tuple[str, ...]:
        """A string value's parts."""
        text = self.text(tag)
        return tuple(part.strip() for part in text.split("\\")) if text else ()

    def numbers(self, tag: int) -> tuple[float, ...]:
        """A decimal or integer string (DS, IS); empty unless every part is a finite number."""
        try:
            numbers = tuple(float(part) for part in self.text(tag).split("\\"))
        except ValueError:
            return ()
        return numbers if all(math.isfinite(n) for n in numbers) else ()

    def number(self, tag: int) -> float | None:
        """The first part of a decimal or integer string."""
        numbers = self.numbers(tag)
        return numbers[0] if numbers else None

    def position_mm(self, tag: int) -> tuple[float, float, float] | None:
        """A point within reach of a scanner."""
        numbers = self.numbers(tag)
        return (numbers[0], numbers[1], numbers[2]) if len(numbers) == 3 and max(map(abs, numbers)) < 1e5 else None

    def spacing_mm(self, tag: int) -> tuple[float, float] | None:
        """Return two credible lengths: between rows, between columns."""
        numbers = self.numbers(tag)
        return (numbers[0], numbers[1]) if len(numbers) == 2 and all(1e-3 < n < 100 for n in numbers) else None

    def integer(self, tag: int) -> int | None:
        """The first part of an integer string."""
        number = self.number(tag)
        return None if number is None else round(number)

    def unsigned(self, tag: int) -> int | None:
        """The first 16 or 32 bits of a binary integer (US, UL; SS is left to the caller)."""
        element = self._found.get(tag)
        value = None if element is None else element.value
        if isinstance(value, int):
            return value
        if not isinstance(value, bytes) or len(value) < 2:
            return None
        order = "<" if getattr(element, "is_little_endian", True) else ">"
        wide = len(value) == 4 and getattr(element, "VR", None) == "UL"
        return int(struct.unpack_from(order + ("L" if wide else "H"), value)[0])

    def items(self, tag: int) -> Iterator["Elements"]:
        """The items of a sequence."""
        element = self._found.get(tag)
        if isinstance(element, RawDataElement):
            # Kept: the frames of a file ask for the same sequence, each of them several times.
            element = self._found[tag] = _converted(element)
        value = None if element is None else element.value
        for item in value if isinstance(value, Sequence) else ():
            yield Elements.of(item.values())

    def item(self, tag: int) -> "Elements":
        """The only item of a sequence; empty where there is none."""
        return next(self.items(tag), Elements({}))


def _converted(element: RawDataElement) -> DataElement:
    try:
        return Dataset({element.tag: element})[element.tag]
    except Exception:  # whatever pydicom's conversion meets in a damaged sequence
        return DataElement(element.tag, "SQ", Sequence())
