# SPDX-License-Identifier: Apache-2.0
"""When a study is at rest, and what a start makes of what a crash left."""

import time
from io import BytesIO
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from tests.clients.ct_series import CtSeries
from tests.clients.gateway.clock import Clock
from vcf_client.gateway.intake import Intake, Session, Status
from vcf_client.gateway.journal import Journal, State
from vcf_client.gateway.key import Key
from vcf_client.gateway.spool import Spool

KEY = Key(b"k" * 32)


class Parts:
    """An intake with what it works on; ``again`` is what a new process would make of the same folder."""

    def __init__(
        self, folder: Path, quiet_s: float = 0.0, quiet_after_abort_s: float = 0.0, spool_bytes: int = 10**8
    ) -> None:
        self.folder = folder
        self.spool = Spool(folder, max_bytes=spool_bytes, keep_free_bytes=0)
        self.journal = Journal(self.spool.journal_path)
        self.intake = Intake(
            self.spool,
            self.journal,
            KEY,
            quiet_s=quiet_s,
            quiet_after_abort_s=quiet_after_abort_s,
            drop_others=False,
        )

    def again(self) -> "Parts":
        self.spool.close()
        self.journal.close()
        return Parts(self.folder)


@pytest.fixture
def images() -> list[Dataset]:
    return CtSeries(slices=4).images()


def name(image: Dataset) -> str:
    return KEY.name("study", image.StudyInstanceUID)


def take(session: Session, image: Dataset) -> Status:
    content = BytesIO()
    image.save_as(content, enforce_file_format=True)
    return session.take(content.getvalue(), image.SOPClassUID, image.SOPInstanceUID)


def finish(parts: Parts) -> None:
    claim = parts.journal.claim()
    assert claim is not None
    parts.journal.finish(claim, State.REFUSED, "TOO_SHORT")


def test_ready_when_the_session_is_closed_and_quiet_is_over(
    tmp_path: Path, images: list[Dataset], clock: Clock
) -> None:
    parts = Parts(tmp_path, quiet_s=20.0)
    with parts.intake.session() as session:
        assert [take(session, image) for image in images] == [Status.SUCCESS] * 4
        clock.advance(30.0)
        assert parts.intake.make_ready() == 0
    assert parts.intake.make_ready() == 0
    clock.advance(19.0)
    assert parts.intake.make_ready() == 0
    clock.advance(2.0)
    assert parts.intake.make_ready() == 1
    assert parts.journal.state(name(images[0])) is State.READY


def test_two_sessions_with_one_study(tmp_path: Path, images: list[Dataset]) -> None:
    parts = Parts(tmp_path)
    one, two = parts.intake.session(), parts.intake.session()
    take(one, images[0])
    take(two, images[1])
    one.close()
    assert parts.intake.make_ready() == 0
    two.close()
    assert parts.intake.make_ready() == 1


def test_a_session_that_broke_off_waits_longer(tmp_path: Path, images: list[Dataset]) -> None:
    parts = Parts(tmp_path, quiet_after_abort_s=60.0)
    with pytest.raises(OSError), parts.intake.session() as session:
        take(session, images[0])
        raise OSError
    assert parts.intake.make_ready() == 0
    with parts.intake.session() as session:
        take(session, images[1])
    assert parts.intake.make_ready() == 1


def test_known_images_change_nothing(tmp_path: Path, images: list[Dataset]) -> None:
    parts = Parts(tmp_path)
    for _ in range(2):
        with parts.intake.session() as session:
            assert take(session, images[0]) is Status.SUCCESS
        parts.intake.make_ready()
    assert parts.journal.state(name(images[0])) is State.READY
    claim = parts.journal.claim()
    assert claim is not None and claim.round == 1
    study, known, new = images[0].StudyInstanceUID, images[0].SOPInstanceUID, images[1].SOPInstanceUID
    assert parts.intake.lacking(study, {known}) == set()
    assert parts.intake.lacking(study, {known, new}) == {new}


def test_each_rest_of_a_study_that_goes_on_is_longer(tmp_path: Path, images: list[Dataset]) -> None:
    """Up to the rest after a broken association; a gap that was long once will be again."""
    parts = Parts(tmp_path, quiet_s=10.0, quiet_after_abort_s=35.0)
    rests_s = []
    for image in images:
        parts.journal.receive(name(image))
        rests_s.append(parts.intake._rest_s(name(image), complete=True))
        assert parts.intake._rest_s(name(image), complete=False) == 35.0
        parts.journal.close_round(name(image), ())
    assert rests_s == [10.0, 20.0, 35.0, 35.0]


def test_more_of_a_study_whose_images_are_gone_is_no_whole_study(tmp_path: Path, images: list[Dataset]) -> None:
    parts = Parts(tmp_path)
    with parts.intake.session() as session:
        for image in images[:3]:
            take(session, image)
    parts.intake.make_ready()
    finish(parts)
    assert parts.intake.make_room()
    with parts.intake.session() as session:
        take(session, images[3])
    assert parts.intake.make_ready() == 1
    claim = parts.journal.claim()
    assert claim is not None and claim.missing == 3


def test_results_that_wait_are_void_when_more_of_the_study_comes(tmp_path: Path, images: list[Dataset]) -> None:
    parts = Parts(tmp_path)
    with parts.intake.session() as session:
        take(session, images[0])
    parts.intake.make_ready()
    claim = parts.journal.claim()
    assert claim is not None
    parts.spool.put_result("r" * 32, b"half a study")
    parts.journal.has_results(claim, ["r" * 32])
    with parts.intake.session() as session:
        take(session, images[0])
        assert parts.spool.results() == {"r" * 32}, "the same again is nothing new"
        take(session, images[1])
    assert parts.spool.results() == set() and parts.journal.pending(due=False) == []
    parts.intake.make_ready()
    claim = parts.journal.claim()
    assert claim is not None and (claim.round, claim.missing) == (2, 0)


def test_a_study_is_held_while_it_is_fetched(tmp_path: Path, images: list[Dataset]) -> None:
    parts = Parts(tmp_path)
    study = images[0].StudyInstanceUID
    parts.intake.begin_fetch(study)
    with parts.intake.session() as session:
        take(session, images[0])
    assert parts.intake.make_ready() == 0
    parts = parts.again()
    parts.intake.restore()
    assert parts.intake.interrupted_fetches() == [study]
    assert parts.intake.make_ready() == 0
    with parts.intake.session() as session:
        take(session, images[1])
        assert not parts.intake.end_fetch(study, 2), "somebody is sending more of it"
    assert parts.intake.end_fetch(study, 2)
    claim = parts.journal.claim()
    assert claim is not None and claim.missing == 2


def test_a_gateway_that_fetches_no_more_ends_what_it_had_begun(tmp_path: Path, images: list[Dataset]) -> None:
    parts = Parts(tmp_path)
    parts.intake.begin_fetch(images[0].StudyInstanceUID)
    with parts.intake.session() as session:
        take(session, images[0])
    parts = parts.again()
    parts.intake.restore()
    parts.intake.give_up_fetches()
    claim = parts.journal.claim()
    assert claim is not None and claim.missing == 1


def test_a_crash_before_the_journal_knew(tmp_path: Path, images: list[Dataset]) -> None:
    parts = Parts(tmp_path)
    parts.spool.put_image("0" * 32, "1" * 32, b"image")
    parts = parts.again()
    parts.intake.restore()
    assert parts.journal.state("0" * 32) is State.RECEIVING


def test_a_crash_with_more_of_a_finished_study(tmp_path: Path, images: list[Dataset]) -> None:
    parts = Parts(tmp_path)
    with parts.intake.session() as session:
        take(session, images[0])
    parts.intake.make_ready()
    finish(parts)
    parts = parts.again()
    parts.intake.restore()
    assert parts.journal.state(name(images[0])) is State.REFUSED, "all of it was known"
    parts.spool.put_image(name(images[0]), "1" * 32, b"one more")
    parts = parts.again()
    parts.intake.restore()
    assert parts.journal.state(name(images[0])) is State.RECEIVING


def test_images_of_a_finished_study_stay_while_more_of_it_comes(tmp_path: Path, images: list[Dataset]) -> None:
    parts = Parts(tmp_path)
    with parts.intake.session() as session:
        take(session, images[0])
    parts.intake.make_ready()
    finish(parts)
    with parts.intake.session() as session:
        take(session, images[0])
        assert not parts.intake.make_room()
        parts.intake.drop_finished(time.time() + 1)
        assert len(parts.spool.images(name(images[0]))) == 1
    assert parts.intake.make_room()
    assert parts.spool.used_bytes == 0
    assert not parts.intake.make_room()
