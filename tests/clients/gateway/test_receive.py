# SPDX-License-Identifier: Apache-2.0
"""Answers to C-STORE, one by one, over the wire."""

import shutil
import sqlite3
from dataclasses import replace

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, SecondaryCaptureImageStorage

from tests.clients.ct_series import CtSeries
from tests.clients.gateway.conftest import wait_for
from tests.clients.gateway.fake_analyzer import FakeAnalyzer
from tests.clients.gateway.peers import Archive, association, encoded, store, store_raw
from vcf_client.gateway.config import Caller, Config
from vcf_client.gateway.service import Gateway
from vcf_client.gateway.spool import RESERVE_BYTES
from vcf_client.gateway.status import counts
from vcf_client.gateway.titles import Rules
from vcf_contract.errors import SetupError
from vcf_server.ports import free_port


@pytest.fixture
def ct() -> Dataset:
    return CtSeries(slices=1).images()[0]


def test_on_disk_before_the_answer(config: Config, analyzer: FakeAnalyzer, ct: Dataset) -> None:
    with Gateway(config, analyzer):
        assert store(config.port, [ct]) == [0x0000]
        (path,) = config.spool.glob("incoming/*/*.dcm")
        assert encoded(ct) in path.read_bytes()
        assert counts(config.spool)["studies"] == {"receiving": 1}


def test_answers_while_studies_are_analysed(config: Config, archive: Archive) -> None:
    """The analysis goes on when the second study is taken in: it would never be, if one waited for the other."""
    analyzer = FakeAnalyzer()
    analyzer.go_on.clear()
    with Gateway(config, analyzer):
        store(config.port, CtSeries().images())
        assert analyzer.begun.wait(120)
        assert store(config.port, CtSeries(slices=5).images()) == [0x0000] * 5
        analyzer.go_on.set()


def other_object(ct: Dataset) -> Dataset:
    ct.SOPClassUID = ct.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    return ct


def test_other_objects_are_refused(config: Config, analyzer: FakeAnalyzer, ct: Dataset) -> None:
    with Gateway(config, analyzer):
        assert store(config.port, [other_object(ct)]) == [0x0122]
    assert not list(config.spool.glob("incoming/*"))


def test_or_dropped(config: Config, analyzer: FakeAnalyzer, ct: Dataset) -> None:
    with Gateway(replace(config, other_objects="drop"), analyzer):
        assert store(config.port, [other_object(ct)]) == [0x0000]
    assert not list(config.spool.glob("incoming/*"))


def test_content_that_is_not_what_was_announced(config: Config, analyzer: FakeAnalyzer, ct: Dataset) -> None:
    with Gateway(config, analyzer), association(config.port, CTImageStorage, SecondaryCaptureImageStorage) as to:
        assert store_raw(to, encoded(ct), CTImageStorage, "1.2.3") == 0xA900
        assert store_raw(to, encoded(ct), SecondaryCaptureImageStorage, ct.SOPInstanceUID) == 0xA900
        assert store_raw(to, encoded(ct), CTImageStorage, ct.SOPInstanceUID) == 0x0000


@pytest.mark.parametrize("missing", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"])
def test_an_object_without_a_uid_is_not_understood(
    config: Config, analyzer: FakeAnalyzer, ct: Dataset, missing: str
) -> None:
    uid = ct.SOPInstanceUID
    del ct[missing]
    with Gateway(config, analyzer), association(config.port, CTImageStorage) as to:
        assert store_raw(to, encoded(ct), CTImageStorage, uid) == 0xC000


@pytest.mark.parametrize("content", [b"\xff" * 64, b"no DICOM at all", b"\x08\x00\x16\x00UI\xff\x7f1.2.3"])
def test_noise_is_not_understood_and_does_no_harm(
    config: Config, analyzer: FakeAnalyzer, ct: Dataset, content: bytes
) -> None:
    with Gateway(config, analyzer), association(config.port, CTImageStorage) as to:
        assert store_raw(to, content, CTImageStorage, "1.2.3") == 0xC000
        assert store_raw(to, encoded(ct), CTImageStorage, ct.SOPInstanceUID) == 0x0000


@pytest.mark.parametrize(
    ("error", "status"), [(OSError(28, "no space"), 0xA700), (sqlite3.OperationalError("full"), 0xA700)]
)
def test_a_fault_of_this_machine_has_the_sender_try_again(
    config: Config, analyzer: FakeAnalyzer, ct: Dataset, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    def fail(*_: object) -> None:
        raise error

    with Gateway(config, analyzer) as gateway:
        monkeypatch.setattr(gateway._intake._journal, "receive", fail)
        assert store(config.port, [ct]) == [status]


def test_a_fault_of_the_object_does_not(
    config: Config, analyzer: FakeAnalyzer, ct: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An object that would fail again must not come back for ever."""

    def fail(*_: object) -> None:
        raise ValueError("an element that pydicom cannot convert")

    with Gateway(config, analyzer) as gateway:
        monkeypatch.setattr(gateway._intake._key, "name", fail)
        assert store(config.port, [ct]) == [0xC000]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), sqlite3.OperationalError("disk is full")])
def test_a_disk_that_is_full_at_the_start_is_said_in_a_sentence(
    config: Config, analyzer: FakeAnalyzer, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("vcf_client.gateway.service.Journal", fail)
    with pytest.raises(SetupError, match=r"the spool folder cannot be used: .*(No space|full).*make room"):
        Gateway(config, analyzer)


def test_room_for_the_journal_stays_whatever_the_settings_say(config: Config, analyzer: FakeAnalyzer) -> None:
    with Gateway(replace(config, keep_free_gib=0), analyzer) as gateway:
        free = shutil.disk_usage(config.spool).free
        assert not gateway._spool.is_full(1)
        assert gateway._spool.is_full(free - RESERVE_BYTES // 2)


def test_a_full_spool_says_so_and_takes_no_more(config: Config, analyzer: FakeAnalyzer) -> None:
    images = CtSeries(slices=5).images()
    room = 2.5 * len(encoded(images[0])) / 2**30
    with Gateway(replace(config, spool_gib=room), analyzer):
        assert store(config.port, images) == [0x0000, 0x0000, 0xA700, 0xA700, 0xA700]
    assert len(list(config.spool.glob("incoming/*/*.dcm"))) == 2


@pytest.mark.slow
def test_finished_studies_make_room(config: Config, analyzer: FakeAnalyzer, archive: Archive) -> None:
    room = 45 * len(encoded(CtSeries(slices=1).images()[0])) / 2**30
    with Gateway(replace(config, spool_gib=room), analyzer):
        for done in (1, 2):
            assert set(store(config.port, CtSeries().images())) == {0x0000}
            wait_for(lambda done=done: counts(config.spool)["studies"] == {"done": done})


def test_known_callers_only(config: Config, analyzer: FakeAnalyzer, ct: Dataset) -> None:
    here = Caller("PACS", "127.0.0.1")
    elsewhere = Caller("OTHER", "192.0.2.1")
    with Gateway(replace(config, callers=(here, elsewhere)), analyzer):
        assert store(config.port, [ct], calling="STRANGER") == [None]
        assert store(config.port, [ct], calling="OTHER") == [0x0124]
        assert not list(config.spool.glob("incoming/*"))
        assert store(config.port, [ct], calling="PACS") == [0x0000]


@pytest.mark.parametrize(
    ("callers", "welcome"),
    [
        ((), True),
        ((Caller("A"),), True),
        ((Caller("A", "::1"),), False),
        ((Caller("B"), Caller("A", "10.0.0.1")), True),
    ],
)
def test_who_is_welcome(callers: tuple[Caller, ...], welcome: bool) -> None:
    assert Rules("VCF", callers).is_welcome("A ", "10.0.0.1") is welcome


def test_echo(config: Config, analyzer: FakeAnalyzer) -> None:
    with Gateway(config, analyzer), association(config.port, "1.2.840.10008.1.1") as to:
        assert to.send_c_echo().Status == 0x0000


def test_a_taken_port_is_named(config: Config, analyzer: FakeAnalyzer, archive: Archive) -> None:
    with pytest.raises(SetupError, match=f"127.0.0.1:{config.pacs.port}"):
        Gateway(replace(config, port=config.pacs.port), analyzer)


def test_the_spool_belongs_to_one_gateway(config: Config, analyzer: FakeAnalyzer) -> None:
    with Gateway(config, analyzer), pytest.raises(SetupError, match="another gateway"):
        Gateway(replace(config, port=free_port()), analyzer)
