# SPDX-License-Identifier: Apache-2.0
"""The table of studies in flight: bounds, urgent ones, those that are forgotten, and many processes at once."""

import subprocess
import sys
import time

import pytest

pytest.importorskip("tritonclient.grpc")
from tests import fake_stub as stub  # noqa: F401 - what the module imports
from vcf_contract.errors import Overloaded
from vcf_runtime.deadline import key_of
from vcf_runtime.studies import Studies, key_at

MINUTE_US = 60_000_000


@pytest.fixture
def shown():
    return []


@pytest.fixture
def studies(tmp_path, shown):
    table = Studies(tmp_path / "studies", shown.append)
    table.limit(3, 5)
    return table


def fill(studies, count, urgent=False, start=0):
    for number in range(start, start + count):
        studies.take(key_of(f"study {number}"), MINUTE_US, urgent=urgent)


def test_one_more_than_fits_is_refused_until_one_is_answered(studies, shown):
    fill(studies, 3)
    with pytest.raises(Overloaded, match=r"^OVERLOADED: 3 studies .* in about 0\.1 s, or to another server$"):
        studies.take(key_of("more"), MINUTE_US)
    studies.answered(key_of("study 1"))
    assert studies.take(key_of("more"), MINUTE_US) == 3
    assert shown == [1, 2, 3, 2, 3]


def test_urgent_studies_have_room_of_their_own(studies):
    fill(studies, 3)
    fill(studies, 2, urgent=True, start=10)
    for urgent in (False, True):
        with pytest.raises(Overloaded, match="5 studies"):
            studies.take(key_of("more"), MINUTE_US, urgent=urgent)


def test_urgent_studies_take_no_room_from_routine_ones(studies):
    fill(studies, 2, urgent=True, start=10)
    fill(studies, 3)
    with pytest.raises(Overloaded, match="5 studies"):
        studies.take(key_of("more"), MINUTE_US)


def test_a_study_that_is_known_is_not_counted_again(studies):
    for _ in range(5):
        assert studies.take(key_of("one"), MINUTE_US) == 1


def refuse(studies, name, urgent=False):
    with pytest.raises(Overloaded) as full:
        studies.take(key_of(name), MINUTE_US, urgent=urgent)
    return full.value.after_s


def test_who_asks_again_goes_before_who_asks_for_the_first_time(studies):
    fill(studies, 3)
    for _ in range(2):
        refuse(studies, "waits")
    studies.answered(key_of("study 0"))
    refuse(studies, "new")
    assert studies.take(key_of("waits"), MINUTE_US) == 3
    refuse(studies, "new")
    studies.answered(key_of("study 1"))
    assert studies.take(key_of("new"), MINUTE_US) == 3


def test_who_was_refused_once_and_never_asks_again_holds_nobody_up(studies):
    fill(studies, 3)
    for number in range(50):
        refuse(studies, f"gone {number}")
    studies.answered(key_of("study 0"))
    assert studies.take(key_of("new"), MINUTE_US) == 3


def test_one_who_waits_holds_back_one_and_not_two(studies):
    fill(studies, 3)
    for _ in range(2):
        refuse(studies, "waits")
    for number in range(2):
        studies.answered(key_of(f"study {number}"))
    assert studies.take(key_of("new"), MINUTE_US) == 2
    refuse(studies, "newer")
    assert studies.take(key_of("waits"), MINUTE_US) == 3


def test_urgent_studies_wait_for_no_routine_one(studies):
    fill(studies, 3)
    for _ in range(2):
        refuse(studies, "waits")
    assert studies.take(key_of("urgent"), MINUTE_US, urgent=True) == 4


def test_who_does_not_come_back_when_told_loses_its_place(studies, monkeypatch):
    now = [time.monotonic_ns()]
    monkeypatch.setattr(time, "monotonic_ns", lambda: now[0])
    fill(studies, 3)
    for _ in range(2):
        after_s = refuse(studies, "waits")
    studies.answered(key_of("study 0"))
    now[0] += int(1.9 * after_s * 1e9)
    refuse(studies, "new")
    now[0] += int(0.2 * after_s * 1e9)
    assert studies.take(key_of("another"), MINUTE_US) == 3


def full_and_answering(path, monkeypatch, most, every_s):
    """A table of so many studies, which have been answered one after the other at this pace."""
    now = [10**12]
    monkeypatch.setattr(time, "monotonic_ns", lambda: now[0])
    table = Studies(path)
    table.limit(most, most)
    fill(table, most)
    for number in range(10):
        now[0] += int(every_s * 1e9)
        table.answered(key_of(f"study {number}"))
        fill(table, 1, start=most + number)
    return table


def test_advice_counts_those_who_wait(tmp_path, monkeypatch):
    table = full_and_answering(tmp_path / "studies", monkeypatch, 2, 1)
    assert [refuse(table, name) for name in ("a", "a", "b", "b", "c")] == pytest.approx([1, 1, 2, 2, 3])


def test_a_study_that_was_refused_is_not_known(studies):
    """It comes all the same, and is counted like one that did not ask."""
    fill(studies, 3)
    for _ in range(2):
        refuse(studies, "more")
        assert not studies.knows(key_of("more"))


def test_one_that_was_given_up_needs_room_like_any_other(studies):
    fill(studies, 1)
    studies.leave(key_of("study 0"))
    fill(studies, 3, start=10)
    refuse(studies, "study 0")


def test_a_table_full_of_those_who_were_refused_has_room_for_who_is_taken(studies):
    fill(studies, 3)
    for number in range(1100):
        refuse(studies, f"refused {number}")
    studies.answered(key_of("study 0"))
    studies.take(key_of("new"), MINUTE_US)
    assert studies.knows(key_of("new"))


@pytest.mark.parametrize("end", ["answered", "failed", "leave"])
def test_every_end_makes_room(studies, end):
    fill(studies, 3)
    assert getattr(studies, end)(key_of("study 0")) == 2
    assert studies.take(key_of("more"), MINUTE_US) == 3


def test_one_that_is_given_up_is_known_and_one_that_is_answered_is_not(studies):
    fill(studies, 2)
    studies.leave(key_of("study 0"))
    studies.answered(key_of("study 1"))
    assert [studies.has_left(key_of(f"study {n}")) for n in range(2)] == [True, False]
    assert [studies.knows(key_of(f"study {n}")) for n in range(2)] == [True, False]


def test_what_is_forgotten_goes_with_its_deadline(studies):
    for number in range(3):
        studies.take(key_of(f"study {number}"), 50_000)
    time.sleep(0.06)
    assert studies.take(key_of("more"), MINUTE_US) == 1


def test_without_a_limit_all_are_taken(tmp_path):
    table = Studies(tmp_path / "studies")
    fill(table, 5000)
    assert table.answered(key_of("study 0")) > 0


def test_without_shared_memory_all_are_taken(tmp_path):
    table = Studies(tmp_path / "missing" / "studies")
    table.limit(1, 1)
    fill(table, 9)
    assert table.answered(key_of("study 0")) == 0


def test_advice_is_the_time_that_half_of_them_take(tmp_path, monkeypatch):
    table = full_and_answering(tmp_path / "studies", monkeypatch, 16, 2)
    with pytest.raises(Overloaded) as full:
        table.take(key_of("more"), MINUTE_US)
    assert full.value.after_s == pytest.approx(16)
    assert Overloaded.find(f"in ensemble 'vcf': {full.value}").after_s == full.value.after_s
    assert Overloaded.find("Exceeds maximum queue size") is None


@pytest.mark.parametrize("limits", [(0, 5), (6, 5), (5, 100_000)])
def test_limits_that_make_no_sense(tmp_path, limits):
    with pytest.raises(ValueError, match="limits"):
        Studies(tmp_path / "studies").limit(*limits)


def test_keys_with_and_without_an_id_never_meet():
    assert key_of("one") % 2 == 1 and key_at(2**63 + 5) % 2 == 0
    assert key_of("one") != key_of("two") and key_at(5) != key_at(6)


HAMMER = """
import sys
from pathlib import Path
from tests import fake_stub
from vcf_contract.errors import Overloaded
from vcf_runtime.studies import Studies
from vcf_runtime.deadline import key_of
table, most = Studies(Path(sys.argv[1])), 0
for turn in range(300):
    key = key_of(f"{sys.argv[2]} {turn}")
    try:
        most = max(most, table.take(key, 60_000_000))
        table.answered(key)
    except Overloaded:
        pass
print(most)
"""


def test_processes_share_it_and_never_take_more(studies, tmp_path):
    running = [
        subprocess.Popen(
            [sys.executable, "-c", HAMMER, str(tmp_path / "studies"), str(number)], stdout=subprocess.PIPE, text=True
        )
        for number in range(5)
    ]
    most = [int(process.communicate(timeout=120)[0]) for process in running]
    assert all(process.returncode == 0 for process in running)
    assert max(most) <= 3
    assert studies.take(key_of("last"), MINUTE_US) == 1  # every other one is out


def test_file_is_for_this_user_alone(studies, tmp_path):
    assert (tmp_path / "studies").stat().st_mode & 0o777 == 0o600


def test_those_whose_time_is_over_are_shown_as_gone(studies, shown):
    studies.take(key_of("one"), 1)
    studies.take(key_of("two"), MINUTE_US)
    time.sleep(0.01)
    studies.show()
    assert shown == [1, 1, 1]
    studies.answered(key_of("two"))
    studies.show()
    assert shown[-2:] == [0, 0]


def test_a_study_keeps_its_place_under_another_key(studies):
    fill(studies, 3)
    studies.rename(key_of("study 1"), key_at(7), MINUTE_US)
    with pytest.raises(Overloaded):
        studies.take(key_of("more"), MINUTE_US)
    assert studies.answered(key_of("study 1")) == 3
    assert studies.answered(key_at(7)) == 2
