# SPDX-License-Identifier: Apache-2.0
"""The C-STORE and C-ECHO provider that a PACS sends to (DICOM PS3.4 annex B, PS3.7 section 9.1)."""

import sqlite3
import threading
from typing import Any

from pydicom.uid import AllTransferSyntaxes, DeflatedExplicitVRLittleEndian
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.sop_class import Verification

from vcf_client.dicom.transfer import is_supported
from vcf_client.gateway.config import Config
from vcf_client.gateway.encryption import listening
from vcf_client.gateway.inflow import MAX_PDU_BYTES, Inflow
from vcf_client.gateway.intake import Intake, Session, Status
from vcf_client.gateway.lobby import MOST_WAITING, AssociationServer
from vcf_client.gateway.log import logger, place
from vcf_client.gateway.titles import Request, Rules, watch
from vcf_contract.errors import SetupError

_IDLE_S = 60.0
_ASKS_S = 10.0
"""How long an association may take to come about, or a rejected one to go."""
_PERMANENT, _BY_USER = 0x01, 0x01
"""Result and source of a rejection (DICOM PS3.8 table 9-21)."""
_TOO_MANY = (0x02, 0x03, 0x02)
"""Transient, by the service provider, local limit exceeded: the peer may try again (the same table)."""


class Receiver:
    """Listens, persists, answers; whatever takes longer happens elsewhere.

    Raises
    ------
    SetupError
        If the port cannot be had, or a certificate is none.
    """

    def __init__(self, config: Config, intake: Intake) -> None:
        self._rules = Rules(config.ae_title, config.callers, config.any_called_title, config.ignore_case)
        self._intake = intake
        self._lock = threading.Lock()
        self._sessions: dict[int, Session] = {}
        self._requests: dict[int, Request] = {}
        self._inflows: dict[int, Inflow] = {}
        self._accepted: set[int] = set()
        self._max_associations = config.max_associations
        ae = AE(config.ae_title)
        ae.maximum_associations = 10 * config.max_associations + MOST_WAITING  # it counts rejected ones that linger
        ae.maximum_pdu_size = MAX_PDU_BYTES
        ae.network_timeout = ae.dimse_timeout = _IDLE_S
        ae.acse_timeout = _ASKS_S
        syntaxes = [s for s in AllTransferSyntaxes if s != DeflatedExplicitVRLittleEndian and is_supported(s)]
        for context in AllStoragePresentationContexts:
            ae.add_supported_context(context.abstract_syntax, syntaxes)
        ae.add_supported_context(Verification)
        handlers = [
            (evt.EVT_C_STORE, self._on_store),
            (evt.EVT_CONN_OPEN, self._on_open),
            (evt.EVT_REQUESTED, self._on_requested),
            (evt.EVT_REJECTED, self._on_rejected),
            (evt.EVT_ACCEPTED, self._on_accepted),
            (evt.EVT_RELEASED, self._on_end, [""]),
            (evt.EVT_ABORTED, self._on_end, ["was aborted"]),
            (evt.EVT_CONN_CLOSE, self._on_close),
        ]
        context = listening(config.dicom_tls) if config.dicom_tls else None
        try:
            self._server = ae.make_server(
                (config.host, config.port),
                evt_handlers=handlers,
                ssl_context=context,
                server_class=AssociationServer,
                addresses=_addresses(config),
            )
        except OSError as error:
            raise SetupError(f"cannot listen on {config.host}:{config.port}: {error.strerror}") from None
        ae._servers.append(self._server)  # which shutting it down expects
        threading.Thread(target=self._server.serve_forever, name="AcceptorServer", daemon=True).start()

    @property
    def port(self) -> int:
        """Tell the port that it listens on."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop listening; associations are aborted."""
        self._server.shutdown()

    def _on_store(self, event: Any) -> int:
        try:
            if not self._rules.is_welcome(event.assoc.requestor.ae_title, event.assoc.requestor.address):
                logger.warning("an unknown caller was refused")
                return Status.NOT_AUTHORISED
            with self._lock:
                session = self._sessions.setdefault(id(event.assoc), self._intake.session())
                inflow = self._inflows.get(id(event.assoc))
            request = event.request
            content = event.encoded_dataset()
            if inflow:
                inflow.stored()
            return session.take(content, str(request.AffectedSOPClassUID), str(request.AffectedSOPInstanceUID))
        except (OSError, MemoryError, sqlite3.Error) as error:  # of this machine: the sender is to try again
            logger.error("an object could not be stored: %s", place(error))
            return Status.OUT_OF_RESOURCES
        except Exception as error:  # of the object: it would fail again, however often it came
            logger.error("an object was not understood: %s", place(error))
            return Status.CANNOT_UNDERSTAND

    def _on_open(self, event: Any) -> None:
        with self._lock:
            self._inflows[id(event.assoc)] = Inflow(event.assoc.dul.socket)
            self._requests[id(event.assoc)] = watch(event.assoc)

    def _on_requested(self, event: Any) -> None:
        with self._lock:
            request = self._requests[id(event.assoc)]
        address = event.assoc.requestor.address
        if objection := self._rules.objection(request):
            reason, why = objection
            logger.warning("an association from %s was rejected: %s", address, why)
            event.assoc.acse.send_reject(_PERMANENT, _BY_USER, reason)
            event.assoc.kill()  # returns when the peer has got the answer; the connection is closed at once otherwise
        elif self._is_crowded(event):
            self._on_rejected(event)
            event.assoc.acse.send_reject(*_TOO_MANY)
            event.assoc.kill()
        elif request.odd:
            logger.info("an association from %s has AE titles that are no plain ASCII padded with blanks", address)

    def _is_crowded(self, event: Any) -> bool:
        """Tell whether as many associations are open as may be; if not, this one is one of them from now on."""
        with self._lock:
            if len(self._accepted) >= self._max_associations:
                return True
            self._accepted.add(id(event.assoc))
            return False

    def _on_rejected(self, event: Any) -> None:
        logger.warning("an association from %s was rejected: too many are open", event.assoc.requestor.address)

    def _on_accepted(self, event: Any) -> None:
        if not event.assoc.accepted_contexts:
            address = event.assoc.requestor.address
            logger.warning("an association from %s: no presentation context accepted", address)

    def _on_end(self, event: Any, how: str) -> None:
        """``how`` it ended before its time; empty if it was released."""
        with self._lock:
            session = self._sessions.pop(id(event.assoc), None)
        if session is not None:
            session.close(complete=not how)
            if how:
                logger.warning("an association from %s %s", event.assoc.requestor.address, how)

    def _on_close(self, event: Any) -> None:
        self._on_end(event, "was cut off")
        with self._lock:
            request = self._requests.pop(id(event.assoc), None)
            self._inflows.pop(id(event.assoc), None)
            self._accepted.discard(id(event.assoc))
        if request is not None and request.spoke and request.called is None:
            logger.warning("a request from %s was not understood", event.assoc.requestor.address)


def _addresses(config: Config) -> frozenset[str] | None:
    """Addresses of all callers; None where one may come from any, or anybody may."""
    addresses = frozenset(caller.address for caller in config.callers)
    return addresses if addresses and "" not in addresses else None
