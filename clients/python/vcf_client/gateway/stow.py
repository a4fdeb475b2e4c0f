# SPDX-License-Identifier: Apache-2.0
"""STOW-RS: a file to a DICOMweb service, and its answer read item by item (DICOM PS3.18 section 10.5, annex I.2)."""

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

from requests import Response, Session

DUPLICATE = 0x0111
"""Duplicate SOP instance (PS3.7 annex C.5.8): the receiver has the object already."""
_FAILED, _STORED = "00081198", "00081199"
_FAILURE_REASON, _SOP_INSTANCE_UID = "00081197", "00081155"


@dataclass
class StoreAnswer:
    """Tell what a service says about the objects of a request.

    failed
        Reason by SOP instance UID; None where the service gives none.
    stored
        SOP instance UIDs.
    """

    failed: dict[str, int | None] = field(default_factory=dict)
    stored: set[str] = field(default_factory=set)


def store(session: Session, url: str, content: bytes, timeout_s: float) -> Response:
    """Send a DICOM file to the studies of a service. ``requests.RequestException`` if there is no answer."""
    boundary = secrets.token_hex(16)
    head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    return session.post(
        f"{url.rstrip('/')}/studies",
        data=head + content + f"\r\n--{boundary}--\r\n".encode(),
        headers={
            "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
            "Accept": "application/dicom+json",
        },
        timeout=timeout_s,
        allow_redirects=False,  # it would go on as a GET, and the results to another address
    )


def objection(response: Response, sop_uid: str) -> str:
    """Why a service does not have the object of a request; empty where it has it."""
    answer = _read(response)
    if sop_uid in answer.failed:
        reason = answer.failed[sop_uid]
        if reason == DUPLICATE:
            return ""
        return "refused" if reason is None else f"refused, reason {reason:04X}"
    if sop_uid in answer.stored or (response.status_code == 200 and not answer.failed):
        return ""
    return f"HTTP status {response.status_code}"


def _read(response: Response) -> StoreAnswer:
    """The items of an answer, as JSON or XML; none if it has no such content."""
    try:
        if response.headers.get("Content-Type", "").partition(";")[0].strip().endswith("xml"):
            document: Any = _from_xml(ElementTree.fromstring(response.content))
        else:
            document = json.loads(response.content)
        answer = StoreAnswer()
        for data_set in document if isinstance(document, list) else [document]:
            for item in _values(data_set, _FAILED):
                answer.failed[_uid(item)] = _number(next(iter(_values(item, _FAILURE_REASON)), None))
            answer.stored |= {_uid(item) for item in _values(data_set, _STORED)}
        return answer
    except (ValueError, TypeError, AttributeError, ElementTree.ParseError):
        return StoreAnswer()


def _values(data_set: dict[str, Any], tag: str) -> list[Any]:
    return data_set.get(tag, {}).get("Value") or []


def _uid(item: dict[str, Any]) -> str:
    return str(next(iter(_values(item, _SOP_INSTANCE_UID)), "")).strip(" \0")


def _number(value: Any) -> int | None:
    return None if value is None else int(value)


def _from_xml(data_set: ElementTree.Element) -> dict[str, Any]:
    """The native DICOM model (PS3.19 annex A.1) in the form of the JSON model, as far as it is read here."""
    return {
        each.get("tag", ""): {"Value": list(_xml_values(each))} for each in data_set if _name(each) == "DicomAttribute"
    }


def _xml_values(attribute: ElementTree.Element) -> Iterator[Any]:
    for child in attribute:
        yield _from_xml(child) if _name(child) == "Item" else (child.text or "").strip()


def _name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]
