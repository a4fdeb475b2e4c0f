# SPDX-License-Identifier: Apache-2.0
"""When a study is at rest, and what a start makes of what a crash left."""

import time
from io import BytesIO
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from clients.gateway.intake import Intake, Session, Status
from clients.gateway.journal import Journal, State
from clients.gateway.key import Key
from clients.gateway.spool import Spool
from tests.clients.ct_series import CtSeries

KEY = Key(b"k" * 32)


class Parts:
    """An intake with what it works on; ``again`` is what a new process would make of the same folder."""

    def __init__(self, folder: Path, quiet_s: float = 0.0, quiet_after_abort_s: float = 0.0) -> None:
        self.folder = folder
        self.spool = Spool(folder, max_bytes=10**8, keep_free_bytes=0)
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


def test_ready_when_the_session_is_closed_and_quiet_is_over(tmp_path: Path, images: list[Dataset]) -> None:
    parts = Parts(tmp_path, quiet_s=0.2)
    with parts.intake.session() as session:
        assert [take(session, image) for image in images] == [Status.SUCCESS] * 4
        time.sleep(0.3)
        assert parts.intake.make_ready() == 0
    assert parts.intake.make_ready() == 0
    time.sleep(0.25)
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
    assert parts.intake.has(images[0].StudyInstanceUID, images[0].SOPInstanceUID)
    assert not parts.intake.has(images[0].StudyInstanceUID, images[1].SOPInstanceUID)


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
