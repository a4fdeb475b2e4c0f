# SPDX-License-Identifier: Apache-2.0
"""The two sides of a gateway, small and in this process: one that sends to it, one that it sends to."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import Comprehensive3DSRStorage, ExplicitVRLittleEndian, SecondaryCaptureImageStorage
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dsutils import encode

from vcf_client.gateway.requestor import NoAssociation, associate


@contextmanager
def association(
    port: int,
    *sop_classes: str,
    calling: str = "PACS",
    called: str = "VCF",
    context: ssl.SSLContext | None = None,
) -> Iterator[Association]:
    """An association with a gateway; released in the end."""
    ae = AE(calling)
    for sop_class in sop_classes:
        ae.add_requested_context(sop_class, ExplicitVRLittleEndian)
    with associate(ae, "127.0.0.1", port, called, context) as opened:
        yield opened


def store(
    port: int, images: list[Dataset], calling: str = "PACS", context: ssl.SSLContext | None = None
) -> list[int | None]:
    """Send in one association; the statuses. None where there was no answer."""
    classes = sorted({str(image.SOPClassUID) for image in images})
    try:
        with association(port, *classes, calling=calling, context=context) as to:
            return [getattr(to.send_c_store(image), "Status", None) for image in images]
    except NoAssociation:
        return [None] * len(images)


def store_raw(to: Association, content: bytes, sop_class: str, sop_uid: str) -> int:
    """Send bytes under any announcement; the status."""
    request = C_STORE()
    request.MessageID = 1
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = sop_class, sop_uid
    request.Priority = 2
    request.DataSet = BytesIO(content)
    context = next(each for each in to.accepted_contexts if each.abstract_syntax == sop_class)
    to.dimse.send_msg(request, context.context_id)
    _, response = to.dimse.get_msg(block=True)
    return int(response.Status)


def encoded(image: Dataset) -> bytes:
    """A data set as it goes over the wire."""
    content = encode(image, False, True)
    assert content is not None
    return content


@dataclass
class Archive:
    """A PACS that keeps what it gets and answers as it is told."""

    status: int = 0x0000
    got: list[Dataset] = field(default_factory=list)
    associations: int = 0
    _server: Any = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self, port: int, context: ssl.SSLContext | None = None) -> None:
        ae = AE("PACS")
        for sop_class in (Comprehensive3DSRStorage, SecondaryCaptureImageStorage):
            ae.add_supported_context(sop_class, ExplicitVRLittleEndian)
        handlers = [(evt.EVT_C_STORE, self._on_store), (evt.EVT_ACCEPTED, self._on_accepted)]
        self._server = ae.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers, ssl_context=context)

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()

    def of(self, modality: str) -> list[Dataset]:
        with self._lock:
            return [result for result in self.got if result.Modality == modality]

    def _on_accepted(self, event: Any) -> None:
        self.associations += 1

    def _on_store(self, event: Any) -> int:
        with self._lock:
            if self.status >> 12 in (0x0, 0xB):
                result = event.dataset
                result.file_meta = event.file_meta
                self.got.append(result)
        return self.status
