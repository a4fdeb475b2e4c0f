# SPDX-License-Identifier: Apache-2.0
"""Studies between peers that misbehave at random: each is reported once, whole, or named as short."""

import os
import random
import threading
from collections import Counter
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from pydicom import dcmread
from pydicom.uid import Comprehensive3DSRStorage, ImplicitVRLittleEndian, SecondaryCaptureImageStorage
from pynetdicom import AE, evt

from tests.clients.ct_series import CtSeries
from tests.clients.gateway.conftest import wait_for
from tests.clients.gateway.dicomweb import DicomWeb, HangUp, Manners, Rows, Status, file_of
from tests.clients.gateway.fake_analyzer import FakeAnalyzer
from vcf_client.gateway import service
from vcf_client.gateway.analysis import Analysis
from vcf_client.gateway.config import Config, Pacs, Poll
from vcf_client.gateway.status import counts

STUDIES, SEED = int(os.environ.get("VCF_TEST_STUDIES", "60")), 18
"""60 in the suite; with VCF_TEST_STUDIES=200 it takes some five minutes."""
BAD = 0.08
"""So often a request is answered badly."""
ROOT = "1.2.826.0.1.3680043.8.498"


class QuickAnalysis(Analysis):
    """Counts the images of a study instead of reading and analysing them, and makes results that say so."""

    analysed: ClassVar[list[tuple[str, int]]] = []

    def _analyze(self, folder: Path, urgent: bool) -> tuple[Any, Any]:
        files = sorted(folder.glob("*.dcm"))
        study_uid = str(dcmread(files[0], stop_before_pixels=True).StudyInstanceUID)
        self.analysed.append((study_uid, len(files)))
        return SimpleNamespace(positive=True, images=len(files)), study_uid

    def _results(self, findings: Any, source: Any) -> list[str]:
        made = []
        for sop_class in (Comprehensive3DSRStorage, SecondaryCaptureImageStorage):
            (result,) = CtSeries(1, 16, source, elements={"SOPClassUID": sop_class}).images()
            result.SOPInstanceUID = self._key.uid(sop_class, source, str(findings.images))
            result.file_meta.MediaStorageSOPInstanceUID = result.SOPInstanceUID
            result.NumberOfFrames = findings.images
            made.append(result)
        return self._keep(*made)


class BadManners(Manners):
    """What a request gets depends on the seed, its path and how often it was asked, not on anybody's haste.

    lost
        SOP instance UIDs that are listed and counted, and never given.
    """

    def __init__(self, lost: set[str], foreign: bytes) -> None:
        super().__init__(page=8, most_images=5)
        self._lost, self._foreign = lost, foreign
        self._asked: Counter[str] = Counter()
        self._lock = threading.Lock()
        self.done: Counter[str] = Counter()
        self.before, self.rows, self.files, self.body = self._before, self._rows, self._files, self._body  # type: ignore[method-assign]

    def _chance(self, kind: str, path: str) -> random.Random:
        with self._lock:
            self._asked[kind + path] += 1
            return random.Random(f"{SEED} {kind} {path} {self._asked[kind + path]}")

    def _choose(self, kind: str, path: str, *ways: str) -> tuple[str, random.Random]:
        chance = self._chance(kind, path)
        way = chance.choice(ways) if chance.random() < BAD else ""
        with self._lock:
            self.done[way] += 1
        return way, chance

    def _before(self, path: str) -> None:
        way, _ = self._choose("before", path, "hang up", "500", "503", "404", "429")
        if way == "hang up":
            raise HangUp
        if way:
            raise Status(int(way))

    def _rows(self, path: str, rows: Rows) -> Rows:
        way, chance = self._choose("rows", path, "fewer rows", "no rows", "mixed rows", "rows twice")
        if way == "no rows":
            return []
        if way == "fewer rows":
            return [row for row in rows if chance.random() < 0.7]
        if way == "mixed rows":
            return chance.sample(rows, len(rows))
        return rows * 2 if way == "rows twice" else rows

    def _files(self, path: str, files: list[bytes]) -> list[bytes]:
        way, chance = self._choose("files", path, "fewer files", "cut files", "mixed files", "files twice", "foreign")
        given = [file for file in files if str(_header(file).SOPInstanceUID) not in self._lost]
        if way == "fewer files":
            given = [file for file in given if chance.random() < 0.7]
        elif way == "cut files":
            given = [file[: chance.randrange(len(file))] if chance.random() < 0.3 else file for file in given]
        elif way == "mixed files":
            given = chance.sample(given, len(given))
        elif way == "files twice":
            given = given * 2
        elif way == "foreign":
            given = [*given, self._foreign]
        if not given:
            raise Status(404)
        return given

    def _body(self, path: str, body: bytes) -> bytes:
        way, chance = self._choose("body", path, "cut body")
        return body[: chance.randrange(len(body))] if way else body


def _header(file: bytes) -> Any:
    return dcmread(BytesIO(file), specific_tags=["SOPInstanceUID"], stop_before_pixels=True)


@dataclass
class BadArchive:
    """Takes Implicit VR alone, loses the line, is full, and answers 0111 to what it has."""

    kept: dict[str, Any] = field(default_factory=dict)
    twice: int = 0
    _asked: Counter[str] = field(default_factory=Counter)

    def on_store(self, event: Any) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        self._asked[uid] += 1
        chance = random.Random(f"{SEED} store {self._asked[uid]} {len(self.kept)}").random()
        if uid in self.kept:
            self.twice += 1
            return 0x0111
        if chance < 0.1:
            return 0xA700
        if chance < 0.2:
            event.assoc.abort()
            return 0
        self.kept[uid] = event.dataset
        if chance < 0.4:
            event.assoc.abort()
        return 0


@pytest.mark.slow
def test_every_study_once_whole_or_named(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(SEED)
    truth: dict[str, int] = {}
    short: dict[str, int] = {}
    images, lost = [], set()
    for number in range(STUDIES):
        slices = chance.randrange(3, 12)
        series = CtSeries(slices, 16, f"{ROOT}.{number}", f"{ROOT}.{number}.1", f"{ROOT}.{number}.2")
        images += series.images()
        truth[series.study_uid] = slices
        if chance.random() < 0.1:
            missing = chance.randrange(1, slices + 1)
            lost |= {f"{series.series_uid}.{slices - last}" for last in range(missing)}
            short[series.study_uid] = missing
    foreign = CtSeries(1, 16, f"{ROOT}.999999").images()[0]
    monkeypatch.setattr(service, "Analysis", QuickAnalysis)
    QuickAnalysis.analysed.clear()
    archive, manners = BadArchive(), BadManners(lost, file_of(foreign))
    ae = AE("ARCHIVE")
    for sop_class in (Comprehensive3DSRStorage, SecondaryCaptureImageStorage):
        ae.add_supported_context(sop_class, ImplicitVRLittleEndian)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, archive.on_store)])
    with DicomWeb(images, manners) as web:
        unreliable = replace(
            config,
            pacs=Pacs("ARCHIVE", "127.0.0.1", server.server_address[1]),
            poll=Poll(web.url, every_s=1.0, filters={}),
            quiet_s=0.0,
            quiet_after_abort_s=0.0,
            max_attempts=20,
            retry_first_s=0.01,
            retry_longest_s=0.2,
        )

        def finished() -> dict[str, int]:
            states: dict[str, int] = counts(config.spool)["studies"]
            return {state: states.get(state, 0) for state in ("done", "refused", "failed")}

        with service.Gateway(unreliable, FakeAnalyzer()):
            wait_for(lambda: finished()["done"] > STUDIES // 4, 600, "a quarter of the studies")
        with service.Gateway(unreliable, FakeAnalyzer()):  # stopped in the middle, and begun again
            wait_for(lambda: sum(finished().values()) == STUDIES, 600, "all studies")
    server.shutdown()
    assert finished() == {"done": STUDIES - len(short), "refused": len(short), "failed": 0}
    assert counts(config.spool)["refused"] == {"INCOMPLETE": len(short)}
    assert counts(config.spool)["studies"].keys() == {"done", "refused"}
    whole = {study_uid: slices for study_uid, slices in truth.items() if study_uid not in short}
    assert dict(QuickAnalysis.analysed) == whole, "every study that can be had, with all its images"
    found: dict[str, list[Any]] = {}
    for result in archive.kept.values():
        found.setdefault(str(result.StudyInstanceUID), []).append(result)
    assert found.keys() == whole.keys()
    for study_uid, pair in found.items():
        assert {result.SOPClassUID for result in pair} == {Comprehensive3DSRStorage, SecondaryCaptureImageStorage}
        assert [int(result.NumberOfFrames) for result in pair] == [whole[study_uid]] * 2
    assert archive.twice > 0 and all(manners.done[way] > 0 for way in ("hang up", "cut body", "cut files", "foreign"))
