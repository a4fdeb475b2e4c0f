# SPDX-License-Identifier: Apache-2.0
"""Fetching from services that page, limit, lose and break: a study is on disk whole, or refused as incomplete."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from tests.clients.ct_series import CtSeries
from tests.clients.gateway.conftest import wait_for
from tests.clients.gateway.dicomweb import DicomWeb, HangUp, Manners, Rows, Status, file_of, other_object
from tests.clients.gateway.test_intake import KEY, Parts
from vcf_client.gateway.backoff import Backoff
from vcf_client.gateway.config import Poll
from vcf_client.gateway.journal import State
from vcf_client.gateway.poll import Poller

ATTEMPTS = 3


class Fetching:
    """A poller with what it fills, turned by hand."""

    def __init__(self, folder: Path, service: DicomWeb, spool_bytes: int = 10**8) -> None:
        self.service = service
        self.parts = Parts(folder, spool_bytes=spool_bytes)
        self.start()

    def start(self) -> None:
        poll = Poll(self.service.url, every_s=0.0, filters={})
        self.poller = Poller(poll, self.parts.intake, Backoff(0.01, 0.02), ATTEMPTS)

    def again(self) -> None:
        """As after a crash."""
        self.parts = self.parts.again()
        self.parts.intake.restore()
        self.start()

    def work(self, turns: int = 3) -> None:
        for _ in range(turns):
            self.poller.work()

    def settle(self) -> None:
        """Until nothing is left to fetch, and all studies have come to rest."""
        self.work(3)
        wait_for(lambda: self.poller.work() and not self.poller._fetches, 60)
        self.parts.intake.make_ready()

    def images(self, series: CtSeries) -> int:
        return len(self.parts.spool.images(KEY.name("study", series.study_uid)))

    def state(self, series: CtSeries) -> State | None:
        return self.parts.journal.state(KEY.name("study", series.study_uid))

    def missing(self) -> list[int]:
        """Of each study that is ready."""
        return list(self.claim().values())

    def claim(self) -> dict[str, int]:
        """Finish all studies that are ready; how many images each was said to lack."""
        found = {}
        while claim := self.parts.journal.claim():
            assert claim.name not in found
            found[claim.name] = claim.missing
            self.parts.journal.finish(claim, State.REFUSED, "TOO_SHORT")
        return found


@pytest.fixture
def service() -> Iterator[DicomWeb]:
    with DicomWeb() as service:
        yield service


@pytest.fixture
def fetching(tmp_path: Path, service: DicomWeb) -> Fetching:
    return Fetching(tmp_path, service)


def series_of(service: DicomWeb, slices: int = 12, **others: str) -> CtSeries:
    series = CtSeries(slices=slices, size=16, **others)  # type: ignore[arg-type]
    service.images += series.images()
    return series


def test_nothing_is_fetched_before_two_rounds_agree(fetching: Fetching, service: DicomWeb) -> None:
    series = series_of(service, 5)
    fetching.work(1)
    service.images += CtSeries(slices=7, size=16, study_uid=series.study_uid).images()
    fetching.work(1)
    assert fetching.state(series) is None
    fetching.settle()
    assert fetching.images(series) == 12 and fetching.missing() == [0]


@pytest.mark.parametrize(
    ("page", "ignores_offset", "counts"),
    [(1, False, True), (2, False, False), (5, False, True), (6, False, True), (7, False, False), (100, False, True),
     (100, True, True), (100, True, False)],
)  # fmt: skip
def test_pages_of_every_size(
    fetching: Fetching, service: DicomWeb, page: int, ignores_offset: bool, counts: bool
) -> None:
    """Studies, series and instances; a service that begins again each time must not keep the poller for ever."""
    service.manners = Manners(page=page, ignores_offset=ignores_offset, counts=counts)
    studies = [series_of(service, 6) for _ in range(3)]
    second = series_of(service, 3, study_uid=studies[0].study_uid)
    fetching.settle()
    assert [fetching.images(study) for study in studies] == [6 + second.slices, 6, 6]
    assert fetching.missing() == [0, 0, 0]


@pytest.mark.parametrize("most", [1, 2, 11, 12, 1000])
def test_a_limited_answer_for_a_series(fetching: Fetching, service: DicomWeb, most: int) -> None:
    series = series_of(service)
    service.manners.most_images = most
    fetching.settle()
    assert fetching.images(series) == 12 and fetching.missing() == [0]
    single = sum(asked for path, asked in service.asked.items() if "/instances/" in path)
    assert single == max(0, 12 - most), "what has come is not asked for again"


def test_files_arrive_byte_for_byte(fetching: Fetching, service: DicomWeb) -> None:
    series = series_of(service)
    fetching.settle()
    folder = fetching.parts.spool.study_folder(KEY.name("study", series.study_uid))
    assert {path.read_bytes() for path in folder.iterdir()} == {file_of(image) for image in service.images}


def lose(service: DicomWeb, lost: Callable[[Dataset], bool]) -> None:
    """Let images be listed and counted, and never given."""
    uids = {str(image.SOPInstanceUID) for image in service.images if lost(image)}

    def files(path: str, files: list[bytes]) -> list[bytes]:
        from io import BytesIO

        kept = [file for file in files if str(dcmread(BytesIO(file)).SOPInstanceUID) not in uids]
        if not kept:
            raise Status(404)
        return kept

    service.manners.files = files


def retrieved(service: DicomWeb) -> int:
    """How often images were listed or asked for."""
    return sum(asked for path, asked in service.asked.items() if path.count("/") > 3)


def test_a_study_that_stays_short_is_refused_by_code(fetching: Fetching, service: DicomWeb) -> None:
    short, whole = series_of(service), series_of(service)
    lose(service, lambda image: image.SeriesInstanceUID == short.series_uid and image.InstanceNumber > 9)
    fetching.work(3)
    fetching.parts.intake.make_ready()
    assert fetching.state(short) is State.RECEIVING, "held back while it is fetched again"
    fetching.settle()
    assert fetching.images(short) == 9 and fetching.images(whole) == 12
    assert sorted(fetching.missing()) == [0, 3]
    asked = retrieved(service)
    fetching.work(5)
    assert fetching.missing() == [], "it is named once"
    assert retrieved(service) == asked, "and not asked for any more"


def test_a_study_of_which_nothing_can_be_had_is_named(fetching: Fetching, service: DicomWeb) -> None:
    series = series_of(service)
    lose(service, lambda _: True)
    fetching.settle()
    assert fetching.state(series) is State.READY and fetching.missing() == [12]


def test_a_short_study_that_grows_is_fetched_again(fetching: Fetching, service: DicomWeb) -> None:
    series = series_of(service)
    lose(service, lambda image: image.InstanceNumber > 9)
    fetching.settle()
    assert fetching.missing() == [3]
    service.manners = Manners()
    series_of(service, 2, study_uid=series.study_uid)
    fetching.settle()
    assert fetching.images(series) == 14 and fetching.missing() == [0]


@pytest.mark.parametrize("counted", ["series", "study"])
def test_counts_beyond_the_lists(fetching: Fetching, service: DicomWeb, counted: str) -> None:
    """Instances, or a whole series, that are counted and on no list."""
    series = series_of(service)
    other = series_of(service, 3, study_uid=series.study_uid)

    def rows(path: str, rows: Rows) -> Rows:
        if counted == "series" and path.endswith(f"{other.series_uid}/instances"):
            return [row for row in rows if row["00080018"]["Value"] != [f"{other.series_uid}.3"]]
        if counted == "study" and path.endswith("/series"):
            return [row for row in rows if row["0020000E"]["Value"] != [other.series_uid]]
        return rows

    service.manners.rows = rows
    fetching.settle()
    assert fetching.missing() == [1 if counted == "series" else 3]


def test_what_is_not_kept_is_not_missing(fetching: Fetching, service: DicomWeb) -> None:
    """Other objects in a CT series, listed with their class or not; and series of other modalities."""
    series = series_of(service)
    service.images += [other_object(image) for image in CtSeries(2, 16, series.study_uid, series.series_uid).images()]
    for number, image in enumerate(service.images[-2:]):
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}"
    service.images += CtSeries(3, 16, series.study_uid, elements={"Modality": "MR"}).images()

    def without_a_class(path: str, rows: Rows) -> Rows:
        for row in rows:
            if row.get("00080018", {}).get("Value") == ["1.2.3.1"]:
                del row["00080016"]
        return rows

    service.manners.rows = without_a_class
    fetching.settle()
    assert fetching.images(series) == 12 and fetching.missing() == [0]


def test_studies_without_ct_are_not_named(fetching: Fetching, service: DicomWeb) -> None:
    mr = CtSeries(slices=3, size=16, elements={"Modality": "MR"})
    service.images += mr.images()
    fetching.work(5)
    assert fetching.state(mr) is None


def once(path_part: str, happen: Callable[[], None]) -> Callable[[str], None]:
    """Something that goes wrong at the first request of a kind."""
    happened: list[str] = []

    def before(path: str) -> None:
        if path_part in path and not happened:
            happened.append(path)
            happen()

    return before


def hang_up() -> None:
    raise HangUp


def fail() -> None:
    raise Status(503)


@pytest.mark.parametrize("happen", [hang_up, fail])
@pytest.mark.parametrize("at", ["/studies", "/series", "/instances", "series/1", "series/2"])
def test_one_failure_costs_no_study(fetching: Fetching, service: DicomWeb, happen: Callable[[], None], at: str) -> None:
    studies = [series_of(service), series_of(service)]
    service.manners.before = once(at, happen)
    fetching.settle()
    fetching.settle()
    assert [fetching.images(study) for study in studies] == [12, 12]
    assert fetching.missing() == [0, 0]


@pytest.mark.parametrize("keep", [0, 100, 1000, 5000, 10**4, -1, -4, -30])
def test_an_answer_that_breaks_off(fetching: Fetching, service: DicomWeb, keep: int) -> None:
    series = series_of(service)
    service.manners.body = lambda path, body: body if "/instances/" in path else body[:keep]
    fetching.settle()
    assert fetching.images(series) == 12 and fetching.missing() == [0]
    folder = fetching.parts.spool.study_folder(KEY.name("study", series.study_uid))
    assert {path.read_bytes() for path in folder.iterdir()} == {file_of(image) for image in service.images}


@pytest.mark.parametrize("keep", [0, 10, 200, 700, 1500, -1, -100])
def test_an_image_that_was_cut_off_is_fetched_again(fetching: Fetching, service: DicomWeb, keep: int) -> None:
    """In a part that looks whole."""
    series = series_of(service)
    service.manners.files = lambda path, files: files if "/instances/" in path else [file[:keep] for file in files]
    fetching.settle()
    assert fetching.images(series) == 12 and fetching.missing() == [0]
    folder = fetching.parts.spool.study_folder(KEY.name("study", series.study_uid))
    assert {path.read_bytes() for path in folder.iterdir()} == {file_of(image) for image in service.images}


def test_an_image_that_the_service_itself_has_in_part_is_taken_in_the_end(
    fetching: Fetching, service: DicomWeb
) -> None:
    """So that the reader says what it is: ``TRUNCATED``."""
    series = series_of(service)
    cut = file_of(service.images[3])[:-100]
    service.manners.files = lambda path, files: [
        cut if file[:1500] == cut[:1500] and len(files) >= 1 else file for file in files
    ]
    fetching.settle()
    assert fetching.images(series) == 12 and fetching.missing() == [0]


def test_images_of_another_study_are_not_taken(fetching: Fetching, service: DicomWeb) -> None:
    series = series_of(service)
    foreign = CtSeries(slices=1, size=16)
    service.manners.files = lambda path, files: [*files, file_of(foreign.images()[0])]
    fetching.settle()
    assert fetching.images(series) == 12 and fetching.missing() == [0]
    assert fetching.state(foreign) is None


def test_a_study_that_is_being_fetched_is_held_over_a_restart(fetching: Fetching, service: DicomWeb) -> None:
    series = series_of(service)
    lose(service, lambda image: image.InstanceNumber > 9)
    fetching.work(3)
    assert fetching.images(series) == 9
    fetching.again()
    fetching.parts.intake.make_ready()
    assert fetching.state(series) is State.RECEIVING
    service.manners = Manners()
    fetching.settle()
    assert fetching.images(series) == 12 and fetching.missing() == [0]


def test_a_study_that_is_gone_after_a_restart_is_named_as_short(fetching: Fetching, service: DicomWeb) -> None:
    series = series_of(service)
    lose(service, lambda image: image.InstanceNumber > 9)
    fetching.work(3)
    fetching.again()
    service.images.clear()
    fetching.settle()
    assert fetching.images(series) == 9 and fetching.missing() == [1]


def test_a_series_that_leaves_the_list_after_it_was_seen_is_missing(fetching: Fetching, service: DicomWeb) -> None:
    """Without any count that would give it away."""
    series = series_of(service)
    other = series_of(service, 3, study_uid=series.study_uid)
    service.manners.counts = False
    fetching.work(2)
    service.manners.rows = lambda path, rows: [
        row for row in rows if row.get("0020000E", {}).get("Value") != [other.series_uid]
    ]
    wait_for(lambda: fetching.poller.work() and not fetching.poller._fetches, 60)
    fetching.parts.intake.make_ready()
    assert fetching.missing() == [1]


def test_a_restart_before_the_first_image_leaves_nothing_behind(fetching: Fetching, service: DicomWeb) -> None:
    series = series_of(service)
    fetching.parts.intake.begin_fetch(series.study_uid)
    fetching.again()
    assert fetching.state(series) is None
    fetching.settle()
    assert fetching.images(series) == 12 and fetching.missing() == [0]


def test_what_was_taken_in_before_is_not_fetched_again(fetching: Fetching, service: DicomWeb) -> None:
    series = series_of(service)
    fetching.settle()
    assert fetching.missing() == [0]
    asked = service.asked[f"/studies/{series.study_uid}/series/{series.series_uid}"]
    fetching.again()
    fetching.settle()
    assert service.asked[f"/studies/{series.study_uid}/series/{series.series_uid}"] == asked
    assert fetching.missing() == []


def test_a_study_that_grows_after_its_images_are_gone_is_fetched_whole(fetching: Fetching, service: DicomWeb) -> None:
    series = series_of(service)
    fetching.settle()
    assert fetching.missing() == [0]
    assert fetching.parts.intake.make_room() and fetching.images(series) == 0
    service.images += CtSeries(slices=2, size=16, study_uid=series.study_uid).images()
    fetching.settle()
    assert fetching.images(series) == 14 and fetching.missing() == [0]


def test_a_full_spool_waits_and_blames_nobody(tmp_path: Path, service: DicomWeb) -> None:
    series = series_of(service)
    fetching = Fetching(tmp_path, service, spool_bytes=5 * len(file_of(service.images[0])))
    fetching.work(3 * ATTEMPTS)
    assert fetching.images(series) == 5 and fetching.state(series) is State.RECEIVING
    fetching.parts.spool._max_bytes = 10**8
    fetching.settle()
    assert fetching.images(series) == 12 and fetching.missing() == [0]


def test_one_study_that_always_fails_does_not_hide_the_others(fetching: Fetching, service: DicomWeb) -> None:
    studies = [series_of(service) for _ in range(3)]

    def before(path: str) -> None:
        if studies[0].study_uid in path:
            raise Status(500)

    service.manners.before = before
    fetching.settle()
    assert [fetching.images(study) for study in studies] == [0, 12, 12]


@pytest.mark.parametrize("rows", [[3], [{}], [{"0020000D": 3}], [{"0020000D": {"Value": None}}], [None]])
def test_answers_that_make_no_sense_stop_nothing(fetching: Fetching, service: DicomWeb, rows: Rows) -> None:
    series = series_of(service)
    nonsense = [True]
    service.manners.rows = lambda path, real: rows if nonsense[0] else real
    fetching.work(4)
    nonsense[0] = False
    fetching.settle()
    assert fetching.images(series) == 12 and fetching.missing() == [0]


def test_a_study_sent_by_somebody_else_meanwhile_is_not_cut_in_two(fetching: Fetching, service: DicomWeb) -> None:
    series = series_of(service)
    lose(service, lambda image: image.InstanceNumber > 9)
    images = {str(image.SOPInstanceUID): image for image in service.images}
    with fetching.parts.intake.session() as session:
        image = images[f"{series.series_uid}.12"]
        session.take(file_of(image), image.SOPClassUID, image.SOPInstanceUID)
        fetching.work(3 * ATTEMPTS)
        fetching.parts.intake.make_ready()
        assert fetching.state(series) is State.RECEIVING
        for uid in (f"{series.series_uid}.10", f"{series.series_uid}.11"):
            session.take(file_of(images[uid]), images[uid].SOPClassUID, uid)
    fetching.settle()
    assert fetching.images(series) == 12 and fetching.missing() == [0]


@pytest.mark.slow
def test_random_damage_to_answers_changes_no_image(fetching: Fetching, service: DicomWeb) -> None:
    """What is on disk in the end is what the service has, whatever its answers were like on the way."""
    chance = random.Random(7)
    studies = [series_of(service, 8) for _ in range(10)]

    def body(path: str, body: bytes) -> bytes:
        return body[: chance.randrange(len(body))] if chance.random() < 0.5 else body

    service.manners.body = body
    fetching.settle()
    missing = fetching.claim()
    assert len(missing) == 10
    for study in studies:
        assert missing[KEY.name("study", study.study_uid)] == 8 - fetching.images(study)
    truth = {file_of(image) for image in service.images}
    assert {path.read_bytes() for path in fetching.parts.folder.glob("incoming/*/*.dcm")} <= truth
