# SPDX-License-Identifier: Apache-2.0
"""The C-STORE and C-ECHO provider that a PACS sends to (DICOM PS3.4 annex B, PS3.7 section 9.1)."""

import threading
from typing import Any

from pydicom.uid import AllTransferSyntaxes, DeflatedExplicitVRLittleEndian
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.sop_class import Verification

from clients.dicom.transfer import is_supported
from clients.gateway.config import Caller, Config
from clients.gateway.intake import Intake, Session, Status
from clients.gateway.log import logger, place
from vcf.errors import SetupError

_MAX_PDU_BYTES = 1 << 18
_IDLE_S = 60.0


class Receiver:
    """Listens, persists, answers; whatever takes longer happens elsewhere.

    Raises
    ------
    SetupError
        If the port cannot be had.
    """

    def __init__(self, config: Config, intake: Intake) -> None:
        self._callers, self._intake = config.callers, intake
        self._lock = threading.Lock()
        self._sessions: dict[int, Session] = {}
        ae = AE(config.ae_title)
        ae.maximum_associations = config.max_associations
        ae.maximum_pdu_size = _MAX_PDU_BYTES
        ae.network_timeout = ae.acse_timeout = ae.dimse_timeout = _IDLE_S
        ae.require_calling_aet = sorted({caller.ae_title for caller in config.callers})
        syntaxes = [s for s in AllTransferSyntaxes if s != DeflatedExplicitVRLittleEndian and is_supported(s)]
        for context in AllStoragePresentationContexts:
            ae.add_supported_context(context.abstract_syntax, syntaxes)
        ae.add_supported_context(Verification)
        handlers = [
            (evt.EVT_C_STORE, self._on_store),
            (evt.EVT_REJECTED, self._on_rejected),
            (evt.EVT_RELEASED, self._on_end, [True]),
            (evt.EVT_ABORTED, self._on_end, [False]),
            (evt.EVT_CONN_CLOSE, self._on_end, [False]),
        ]
        try:
            self._server = ae.start_server((config.host, config.port), block=False, evt_handlers=handlers)
        except OSError as error:
            raise SetupError(f"cannot listen on {config.host}:{config.port}: {error.strerror}") from None

    @property
    def port(self) -> int:
        """That it listens on."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop listening; associations are aborted."""
        self._server.shutdown()

    def _on_store(self, event: Any) -> int:
        try:
            if not is_welcome(self._callers, event.assoc.requestor.ae_title, event.assoc.requestor.address):
                logger.warning("an unknown caller was refused")
                return Status.NOT_AUTHORISED
            with self._lock:
                session = self._sessions.setdefault(id(event.assoc), self._intake.session())
            request = event.request
            content = event.encoded_dataset()
            return session.take(content, str(request.AffectedSOPClassUID), str(request.AffectedSOPInstanceUID))
        except Exception as error:  # the sender is to try again, whatever it was
            logger.error("an object could not be stored: %s", place(error))
            return Status.OUT_OF_RESOURCES

    def _on_rejected(self, event: Any) -> None:
        logger.warning("an association was rejected")

    def _on_end(self, event: Any, complete: bool) -> None:
        with self._lock:
            session = self._sessions.pop(id(event.assoc), None)
        if session is not None:
            session.close(complete=complete)


def is_welcome(callers: tuple[Caller, ...], ae_title: str, address: str) -> bool:
    """Whether a caller may send; anybody may where no callers are named."""
    return not callers or any(
        caller.ae_title == ae_title.strip() and caller.address in ("", address) for caller in callers
    )
