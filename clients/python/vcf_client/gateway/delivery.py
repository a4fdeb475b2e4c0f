# SPDX-License-Identifier: Apache-2.0
"""Results to the PACS, by C-STORE or STOW-RS, until it has them."""

from io import BytesIO
from typing import Protocol

from pydicom import dcmread
from pydicom.uid import (
    Comprehensive3DSRStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
)
from pynetdicom import AE
from pynetdicom.association import Association
from requests.exceptions import RequestException

from vcf_client.dicom.privacy import quiet
from vcf_client.gateway.backoff import Backoff
from vcf_client.gateway.config import Config, DicomTls, Pacs
from vcf_client.gateway.encryption import calling
from vcf_client.gateway.journal import Journal, Pending
from vcf_client.gateway.log import logger, place
from vcf_client.gateway.requestor import ABORTED, NO_ANSWER, NO_CONTEXT, NoAssociation, associate, is_alive
from vcf_client.gateway.spool import Spool
from vcf_client.gateway.stow import DUPLICATE, objection, store
from vcf_client.gateway.web import TIMEOUT_S, open_session, why

_SYNTAXES = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
"""The transfer syntaxes of results: as they are written, and what every peer takes (DICOM PS3.5 section 10.1)."""


class NotDelivered(Exception):
    """The PACS got nothing; says why, in a few words for log and status."""


class Sender(Protocol):
    """A way to the PACS."""

    def send(self, files: list[bytes]) -> list[str]:
        """Send DICOM files; for each the reason why the PACS does not have it, empty where it has.

        Raises
        ------
        NotDelivered
            If none of them was sent.
        """
        ...


class StoreSender:
    """Sends by C-STORE, in one association."""

    def __init__(self, pacs: Pacs, ae_title: str, own: DicomTls | None = None) -> None:
        self._pacs, self._ae_title = pacs, ae_title
        self._context = calling(pacs, own) if pacs.tls else None

    def send(self, files: list[bytes]) -> list[str]:
        ae = AE(self._ae_title)
        ae.network_timeout = ae.acse_timeout = ae.dimse_timeout = ae.connection_timeout = TIMEOUT_S
        for sop_class in (Comprehensive3DSRStorage, SecondaryCaptureImageStorage):
            ae.add_requested_context(sop_class, list(_SYNTAXES))
        try:
            with associate(ae, self._pacs.host, self._pacs.port, self._pacs.ae_title, self._context) as association:
                return [_store(association, content) for content in files]
        except NoAssociation as error:
            raise NotDelivered(str(error)) from None


def _store(association: Association, content: bytes) -> str:
    """Why the PACS does not have a file; empty where it has."""
    result = dcmread(BytesIO(content))
    if not any(context.abstract_syntax == result.SOPClassUID for context in association.accepted_contexts):
        return NO_CONTEXT  # for this class; there is one for the other
    if not is_alive(association):  # it has ended at a file before
        return ABORTED
    try:
        status = association.send_c_store(result)
    except RuntimeError:  # it has ended just now
        return ABORTED
    except ValueError:
        return "cannot be encoded"
    code = status.Status if "Status" in status else None
    if code is None:
        return ABORTED if association.acse.is_aborted() else NO_ANSWER
    return "" if code in (0, DUPLICATE) or code >> 12 == 0xB else f"status {code:04X}"


class WebSender:
    """Sends by STOW-RS, one request a file."""

    def __init__(self, pacs: Pacs) -> None:
        self._session, self._url = open_session(pacs), pacs.dicomweb_url

    def send(self, files: list[bytes]) -> list[str]:
        reasons = []
        for content in files:
            sop_uid = dcmread(
                BytesIO(content), specific_tags=["SOPInstanceUID"], stop_before_pixels=True
            ).SOPInstanceUID
            try:
                reasons.append(objection(store(self._session, self._url, content, TIMEOUT_S), str(sop_uid)))
            except RequestException as error:
                if not reasons:
                    raise NotDelivered(why(error)) from None
                return reasons + [why(error)] * (len(files) - len(reasons))
        return reasons


def make_sender(config: Config) -> Sender:
    """The way to the PACS that the settings name."""
    return (
        WebSender(config.pacs)
        if config.pacs.dicomweb_url
        else StoreSender(config.pacs, config.ae_title, config.dicom_tls)
    )


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
        contents = []
        for result in list(results):
            try:
                contents.append(self._spool.result_path(result.name).read_bytes())
            except FileNotFoundError:  # more of its study has come meanwhile, which made it void
                results.remove(result)
        if not results:
            return
        try:
            with quiet():
                reasons = self._sender.send(contents)
        except Exception as error:
            why = str(error) if isinstance(error, NotDelivered) else place(error)
            reasons = [why] * len(results)
        for result, reason in zip(results, reasons, strict=True):
            if reason:
                logger.warning("a result of study %s was not delivered: %s", result.study, reason)
                self._journal.not_sent(result, self._backoff.delay_s(result.attempts + 1), reason)
            else:
                self._journal.sent(result)
                self._spool.drop_result(result.name)
                logger.info("a result of study %s is delivered", result.study)
