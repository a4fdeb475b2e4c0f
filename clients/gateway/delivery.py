# SPDX-License-Identifier: Apache-2.0
"""Results to the PACS, by C-STORE or STOW-RS, until it has them."""

from io import BytesIO
from typing import Protocol

from pydicom import dcmread
from pydicom.uid import Comprehensive3DSRStorage, ExplicitVRLittleEndian, SecondaryCaptureImageStorage
from pynetdicom import AE
from pynetdicom.association import Association
from requests.exceptions import RequestException

from clients.dicom.privacy import quiet
from clients.gateway.backoff import Backoff
from clients.gateway.config import Config, Pacs
from clients.gateway.journal import Journal, Pending
from clients.gateway.log import logger, place
from clients.gateway.requestor import associate
from clients.gateway.spool import Spool
from clients.gateway.web import connect

_TIMEOUT_S = 30.0


class NotDelivered(Exception):
    """The PACS was not reached or did not take a result; says which of the two, and its status."""


class Sender(Protocol):
    """A way to the PACS."""

    def send(self, files: list[bytes]) -> list[str]:
        """Send DICOM files; for each the reason why the PACS does not have it, empty where it has.

        Raises
        ------
        NotDelivered
            If the PACS was not reached.
        """
        ...


class StoreSender:
    """By C-STORE, in one association."""

    def __init__(self, pacs: Pacs, ae_title: str) -> None:
        self._pacs, self._ae_title = pacs, ae_title

    def send(self, files: list[bytes]) -> list[str]:
        ae = AE(self._ae_title)
        ae.network_timeout = ae.acse_timeout = ae.dimse_timeout = ae.connection_timeout = _TIMEOUT_S
        for sop_class in (Comprehensive3DSRStorage, SecondaryCaptureImageStorage):
            ae.add_requested_context(sop_class, ExplicitVRLittleEndian)
        with associate(ae, self._pacs.host, self._pacs.port, self._pacs.ae_title) as association:
            if not association.is_established:
                raise NotDelivered("rejected" if association.is_rejected else "not reached")
            return [_store(association, content) for content in files]


def _store(association: Association, content: bytes) -> str:
    """Why the PACS does not have a file; empty where it has."""
    try:
        status = association.send_c_store(dcmread(BytesIO(content)))
    except (RuntimeError, ValueError):  # the association has ended, or the PACS takes no such object
        return "not accepted"
    code = status.Status if "Status" in status else None
    if code is None:
        return "no answer"
    return "" if code == 0 or code >> 12 == 0xB else f"status {code:04X}"


class WebSender:
    """By STOW-RS, one request a file."""

    def __init__(self, pacs: Pacs) -> None:
        self._client = connect(pacs)

    def send(self, files: list[bytes]) -> list[str]:
        reasons = []
        for content in files:
            try:
                answer = self._client.store_instances([dcmread(BytesIO(content))])
            except RequestException as error:
                if error.response is None:
                    raise NotDelivered("not reached") from None
                reasons.append(f"HTTP status {error.response.status_code}")
            else:
                reasons.append("refused" if answer.get("FailedSOPSequence") else "")
        return reasons


def make_sender(config: Config) -> Sender:
    """The way to the PACS that the settings name."""
    return WebSender(config.pacs) if config.pacs.dicomweb_url else StoreSender(config.pacs, config.ae_title)


class Delivery:
    """Sends what the journal has pending."""

    def __init__(self, spool: Spool, journal: Journal, sender: Sender, backoff: Backoff) -> None:
        self._spool, self._journal, self._sender, self._backoff = spool, journal, sender, backoff

    def restore(self) -> None:
        """Once after a start: remove results that a crash left behind, sent already or never written down."""
        wanted = {result.name for result in self._journal.pending(due=False)}
        for name in self._spool.results() - wanted:
            self._spool.drop_result(name)

    def work(self, results: list[Pending]) -> None:
        """Send results and write down which ones the PACS has."""
        try:
            contents = [self._spool.result_path(result.name).read_bytes() for result in results]
            with quiet():
                reasons = self._sender.send(contents)
        except Exception as error:
            why = str(error) if isinstance(error, NotDelivered) else place(error)
            reasons = [why] * len(results)
        for result, reason in zip(results, reasons, strict=True):
            if reason:
                logger.warning("a result of study %s was not delivered: %s", result.study, reason)
                self._journal.not_sent(result, self._backoff.delay_s(result.attempts + 1))
            else:
                self._journal.sent(result)
                self._spool.drop_result(result.name)
                logger.info("a result of study %s is delivered", result.study)
