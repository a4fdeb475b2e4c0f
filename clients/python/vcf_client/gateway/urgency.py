# SPDX-License-Identifier: Apache-2.0
"""Tell which studies are urgent: by attributes of their images, such as the name of the emergency department's
scanner."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import pydicom
from pydicom.datadict import keyword_for_tag, tag_for_keyword
from pydicom.errors import InvalidDicomError


@dataclass(frozen=True)
class Urgent:
    """A rule: a study is urgent whose images have this value.

    attribute
        A DICOM keyword, or a tag of eight hex digits. ``StationName``, ``InstitutionalDepartmentName`` and
        ``RequestedProcedurePriority`` are likely ones.
    value
        As it is, or with ``*`` and ``?`` for any characters and for any one; upper and lower case are the same.
    """

    attribute: str
    value: str

    @property
    def tag(self) -> int:
        """Its number."""
        tag = tag_for_keyword(self.attribute)
        return int(self.attribute, 16) if tag is None else tag

    def holds(self, header: pydicom.Dataset) -> bool:
        """Tell whether any value of the attribute fits."""
        element = header.get(self.tag)
        if element is None or element.VR == "SQ":
            return False
        values = element.value if isinstance(element.value, list | pydicom.multival.MultiValue) else [element.value]
        return any(fnmatchcase(str(value).strip().casefold(), self.value.casefold()) for value in values)


def is_urgent(folder: Path, rules: Sequence[Urgent]) -> bool:
    """Tell whether any rule holds for a study, by the header of one of its images; what cannot be read is not
    urgent."""
    if not rules:
        return False
    for path in sorted(folder.glob("*.dcm")):
        try:
            header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=[rule.tag for rule in rules])
            return any(rule.holds(header) for rule in rules)
        except (InvalidDicomError, OSError, ValueError, NotImplementedError, AttributeError, KeyError, EOFError):
            continue
    return False


def names(rules: Sequence[Urgent]) -> str:
    """The rules in words."""
    return ", ".join(f"{keyword_for_tag(rule.tag) or rule.attribute} {rule.value}" for rule in rules)
