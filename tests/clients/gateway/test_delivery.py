# SPDX-License-Identifier: Apache-2.0
"""Kinds of archives: that have a result already, take one encoding alone, or take nothing; each for its reason."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import (
    Comprehensive3DSRStorage,
    CTImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
)
from pynetdicom import AE, evt

from tests.clients.ct_series import CtSeries
from tests.clients.gateway.conftest import wait_for
from tests.clients.gateway.fake_analyzer import FakeAnalyzer
from tests.clients.gateway.peers import store
from vcf_client.gateway import delivery
from vcf_client.gateway.config import Config, Pacs
from vcf_client.gateway.delivery import NotDelivered, StoreSender
from vcf_client.gateway.service import Gateway
from vcf_client.gateway.status import counts
from vcf_server.ports import free_port

BOTH = (Comprehensive3DSRStorage, SecondaryCaptureImageStorage)
OnStore = Callable[[Any], int]


@contextmanager
def archive(
    on_store: OnStore = lambda _: 0,
    syntaxes: tuple[str, ...] = (ExplicitVRLittleEndian,),
    classes: tuple[str, ...] = BOTH,
    callers: tuple[str, ...] = (),
) -> Iterator[Pacs]:
    ae = AE("ARCHIVE")
    for sop_class in classes:
        ae.add_supported_context(sop_class, list(syntaxes))
    ae.require_calling_aet = list(callers)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, on_store)])
    yield Pacs("ARCHIVE", "127.0.0.1", server.server_address[1])
    server.shutdown()


def results() -> list[bytes]:
    """A file of each class that the gateway sends; what is in them does not matter here."""
    files = []
    for sop_class in BOTH:
        (image,) = CtSeries(slices=1, elements={"SOPClassUID": sop_class}).images()
        content = BytesIO()
        image.save_as(content, enforce_file_format=True)
        files.append(content.getvalue())
    return files


def send(pacs: Pacs) -> list[str]:
    return StoreSender(pacs, "VCF").send(results())


@pytest.mark.parametrize(
    "syntaxes",
    [
        (ImplicitVRLittleEndian,),
        (ExplicitVRLittleEndian,),
        (ImplicitVRLittleEndian, ExplicitVRLittleEndian),
        (ExplicitVRLittleEndian, ImplicitVRLittleEndian),
    ],
)
def test_either_little_endian_encoding_will_do(syntaxes: tuple[str, ...]) -> None:
    got: list[Dataset] = []

    def keep(event: Any) -> int:
        got.append(event.dataset)
        assert event.context.transfer_syntax in syntaxes
        return 0

    with archive(keep, syntaxes) as pacs:
        assert send(pacs) == ["", ""]
    assert [result.PatientName for result in got] == ["Müller^Jörg"] * 2
    assert all(len(result.PixelData) == 64 * 64 * 2 for result in got)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (0x0000, ""),
        (0x0111, ""),
        (0xB000, ""),
        (0xB007, ""),
        (0x0110, "status 0110"),
        (0x0112, "status 0112"),
        (0x0122, "status 0122"),
        (0xA700, "status A700"),
        (0xC111, "status C111"),
    ],
)
def test_what_a_status_says(status: int, reason: str) -> None:
    with archive(lambda _: status) as pacs:
        assert send(pacs) == [reason, reason]


def test_a_class_that_is_not_taken_does_not_hold_the_other_up() -> None:
    with archive(classes=(SecondaryCaptureImageStorage,)) as pacs:
        assert send(pacs) == ["no presentation context accepted", ""]


@pytest.mark.parametrize("kind", ["class", "syntax"])
def test_no_context_at_all(kind: str) -> None:
    classes = (CTImageStorage,) if kind == "class" else BOTH
    syntaxes = (ExplicitVRBigEndian,) if kind == "syntax" else (ExplicitVRLittleEndian,)
    with archive(classes=classes, syntaxes=syntaxes) as pacs, pytest.raises(NotDelivered) as error:
        send(pacs)
    assert str(error.value) == "no presentation context accepted"


def test_rejected() -> None:
    with archive(callers=("OTHER",)) as pacs, pytest.raises(NotDelivered) as error:
        send(pacs)
    assert str(error.value) == "rejected"


def test_not_reached() -> None:
    with pytest.raises(NotDelivered) as error:
        send(Pacs("ARCHIVE", "127.0.0.1", free_port()))
    assert str(error.value) == "not reached"


@pytest.mark.parametrize("answer", [b"", b"\x07\0\0\0\0\x04\0\0\0\0", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_a_peer_that_hangs_up_before_it_is_associated(answer: bytes) -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def hang_up() -> None:
        connection, _ = listener.accept()
        connection.recv(1 << 16)
        connection.sendall(answer)
        connection.close()

    peer = threading.Thread(target=hang_up)
    peer.start()
    with pytest.raises(NotDelivered) as error:
        send(Pacs("ARCHIVE", "127.0.0.1", listener.getsockname()[1]))
    assert str(error.value) == "aborted"
    peer.join()
    listener.close()


def test_a_peer_that_hangs_up_at_the_first_object() -> None:
    def abort(event: Any) -> int:
        event.assoc.abort()
        return 0

    with archive(abort) as pacs:
        assert send(pacs) == ["aborted", "aborted"]


def test_a_peer_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "TIMEOUT_S", 1.0)
    answer = threading.Event()

    def wait(_: Any) -> int:
        answer.wait(60)
        return 0

    with archive(wait) as pacs:
        assert send(pacs)[0] == "no answer"
        answer.set()


@pytest.mark.slow
def test_an_archive_that_loses_the_line_and_has_the_object_all_the_same(config: Config) -> None:
    """The kind of shared case ``pacs_duplicate``: stored, not acknowledged, and 0111 from then on."""
    have: dict[str, Dataset] = {}

    def lose_the_line(event: Any) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        if uid in have:
            return 0x0111
        have[uid] = event.dataset
        event.assoc.abort()
        return 0

    with archive(lose_the_line) as pacs, Gateway(replace(config, pacs=pacs), FakeAnalyzer()):
        store(config.port, CtSeries().images())
        wait_for(lambda: counts(config.spool)["studies"] == {"done": 1}, 60)
    assert sorted(result.Modality for result in have.values()) == ["OT", "SR"]
    assert counts(config.spool)["results"] == {"sent": 2, "waiting": 0}
    assert counts(config.spool)["not_delivered"] == {}


def test_report_and_picture_in_implicit_vr(config: Config) -> None:
    """The kind of shared case ``pacs_implicit_only``, with what is really sent."""
    got: list[Dataset] = []

    def keep(event: Any) -> int:
        buffer = BytesIO()
        event.dataset.file_meta = event.file_meta
        event.dataset.save_as(buffer, enforce_file_format=True)
        got.append(dcmread(BytesIO(buffer.getvalue())))
        return 0

    with archive(keep, (ImplicitVRLittleEndian,)) as pacs, Gateway(replace(config, pacs=pacs), FakeAnalyzer()):
        store(config.port, CtSeries().images())
        wait_for(lambda: counts(config.spool)["studies"] == {"done": 1}, 60)
    report, picture = sorted(got, key=lambda result: result.Modality, reverse=True)
    assert report.Modality == "SR" and report.ContentSequence
    assert picture.pixel_array.ndim == 3


def test_status_says_why_results_wait(config: Config) -> None:
    with archive(classes=(Comprehensive3DSRStorage,)) as pacs, Gateway(replace(config, pacs=pacs), FakeAnalyzer()):
        store(config.port, CtSeries().images())
        wait_for(lambda: counts(config.spool)["results"] == {"sent": 1, "waiting": 1}, 60)
        wait_for(lambda: counts(config.spool)["not_delivered"] == {"no presentation context accepted": 1}, 60)
    assert counts(config.spool)["studies"] == {"sending": 1}
